"""The steps of the pipeline, and what they use: face sources, HTTP, manifests, journal, files, results."""
