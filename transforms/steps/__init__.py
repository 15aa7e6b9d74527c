"""The steps of the pipeline: in each file pure functions come first, then the PTransform that uses them."""
