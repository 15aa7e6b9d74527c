"""Execute a run on a cluster: check, submit, wait, explain a failure, cancel; one file per engine."""
