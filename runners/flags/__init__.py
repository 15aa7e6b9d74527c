"""The flags of all commands: each is one annotated field of a dataclass."""
