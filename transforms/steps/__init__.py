"""The steps of the pipeline: pure functions first, then the PTransform of the same words."""
