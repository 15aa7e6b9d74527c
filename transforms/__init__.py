"""The steps: pure functions first, then the PTransform of the same words; and the face sources."""
