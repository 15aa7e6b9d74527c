"""The bytes of an image from wherever its URL leads, and from nowhere it must not."""
