"""The API's contract, answered by the local model: what `facebeam serve` is made of."""
