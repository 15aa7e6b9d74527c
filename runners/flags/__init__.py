"""The flags of all commands. Each flag is an annotated field of a dataclass."""
