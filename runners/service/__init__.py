"""The server of `facebeam serve`: it answers requests of the API's contract with the local model."""
