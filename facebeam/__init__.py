"""facebeam: image manifests in, Parquet tables of facial landmarks out.

The code is in the four folders beside this one. Links here put them into one package, so that a project with
its own package `transforms` or `schemas` can use both.
"""
