"""HTTP for everyone here: which addresses may be reached, within which time, and what an error means."""
