"""Read manifests: one file per format (txt, csv and tsv, jsonl, Parquet). No file here imports Beam.

Each format has two functions: `..._schema(file)` gives the columns of a file before the run starts, and
`..._records(part, columns)` streams a part of it as `Record`s. A bad row is a record with a `flaw`; a bad
file raises `ManifestError`.
"""
