"""Face sources: the interface that all implement, the retries that all share, and all but the API source."""
