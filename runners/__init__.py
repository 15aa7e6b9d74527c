"""The commands: command line, environment, clock, progress, signals and exit codes."""
