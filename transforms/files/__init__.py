"""Read and write files of the output and the journal, on any file system that Beam supports."""
