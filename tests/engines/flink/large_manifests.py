"""Manifests that are large in one way: long URLs, or many columns."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random
from typing import Final

_RANDOM_BYTES: Final = 50
"""Compression cannot shorten them. With them, a row takes 80 bytes in the shuffle."""


def presigned_urls(count: int) -> Iterator[str]:
    """Make up URLs with signatures, as an object store gives them out: 167 characters each."""
    random = Random(count)
    for number in range(count):
        signature = random.randbytes(_RANDOM_BYTES).hex()
        yield f"https://bucket.s3.example.com/2026/11/{number:08d}.jpg?X-Amz-Signature={signature}"


def write_presigned(path: Path, count: int) -> Path:
    """Write a txt manifest with one URL per line."""
    with path.open("w") as file:
        file.writelines(f"{url}\n" for url in presigned_urls(count))
    return path


def write_wide(path: Path, rows: int, columns: int) -> Path:
    """Write a csv manifest with URLs of 167 characters, and columns with a text of 30 characters each."""
    random = Random(rows)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_url", *(f"note_{number}" for number in range(columns))])
        for url in presigned_urls(rows):
            writer.writerow(chain([url], (random.randbytes(15).hex() for _ in range(columns))))
    return path
