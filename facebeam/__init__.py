"""facebeam: image manifests in, Parquet tables of facial landmarks out.

The code lies in the four folders beside this one. Links give them one common name here: a project that has a
`transforms` or `schemas` of its own can use both.
"""
