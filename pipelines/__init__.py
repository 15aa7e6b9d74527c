"""The pipeline: which step feeds which step."""
