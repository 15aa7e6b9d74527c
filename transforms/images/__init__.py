"""Fetch the bytes of an image from the web, a file or a bucket, if the run may read from there."""
