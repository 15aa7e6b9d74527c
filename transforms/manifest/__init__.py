"""The formats of a manifest, one file each: txt, csv and tsv, jsonl, Parquet. No Beam in here.

Each format has two functions: `..._schema(file)` gives the columns of a file before the run starts, and
`..._records(part, columns)` streams a part of it as `Record`s. What a record cannot be is its `flaw`; what a
file cannot be is a `ManifestError`.
"""
