"""Carry a run out on a cluster: preflight, submission, waiting, diagnosis, cancelling; one file an engine."""
