"""Where and how it runs: command line, environment, clock, progress."""
