"""Measure how much disk space an answer and a packed row take: `python -m benchmarks.sizes`.

The benchmark writes faces with random fractions, as in the local model's answers, and with whole numbers, as
in the service's answers. Then it prints the sizes of the files. Neighbouring landmarks are about 20 pixels
apart, as in the example's photographs. This distance matters, because the journal stores the differences
between them.

Rows are packed in blocks. Their size depends on how alike the URLs are, so the benchmark packs several kinds.
"""

import random
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.request_key import request_key
from facebeam.schemas.tables import DICTIONARY_BYTES
from facebeam.schemas.values import Annotation, Answer, Face, ImageRequest, ManifestRow, default_image_id
from facebeam.transforms.journal.entries import Entry, encode_entries
from facebeam.transforms.journal.segments import write_segment
from facebeam.transforms.steps.flatten import flatten_faces, flatten_images
from facebeam.transforms.steps.staged_rows import ROWS_A_BLOCK, pack
from facebeam.transforms.steps.write_table import VALUES_A_ROW_GROUP

IMAGES = 20_000
"""Number of images, each with one face."""
WORDS: Final = (
    *("a", "man", "woman", "photo", "of", "the", "standing", "in", "front", "with", "red", "blue", "car"),
    *("house", "portrait", "smiling", "young", "old", "new", "york", "stock", "image", "free", "vector"),
)
"""Words of URLs and captions."""


def main() -> None:
    """Write tables, a segment of the journal, and blocks of rows; print bytes per image and per row."""
    for name, digits in (("random fractions", 6), ("whole numbers", 0)):
        annotations = [_annotation(i, digits) for i in range(IMAGES)]
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for table, flatten in (("faces", flatten_faces), ("images", flatten_images)):
                batch = flatten(annotations, pa.schema([]))
                pq.write_table(
                    pa.Table.from_batches([batch]),
                    folder / table,
                    VALUES_A_ROW_GROUP,
                    compression="zstd",
                    dictionary_pagesize_limit=DICTIONARY_BYTES,
                )
            entries = [_entry(annotation) for annotation in annotations]
            segment = Path(write_segment(str(folder), encode_entries(entries)).path)
            sizes = {path.name: path.stat().st_size for path in (folder / "faces", folder / "images")}
            sizes["journal"] = segment.stat().st_size
        print(f"{name}: bytes per image with one face:", end=" ")
        print(", ".join(f"{table} {size / IMAGES:.0f}" for table, size in sizes.items()))
    for name, row in ROWS.items():
        packed = pack(0, [row(random.Random(number)) for number in range(ROWS_A_BLOCK)]).packed
        print(f"{name}: bytes per packed row: {len(packed) / ROWS_A_BLOCK:.0f}")


def _numbered(chance: random.Random) -> ManifestRow:
    url = f"https://images.example.com/2026/11/{chance.randrange(10**6):08d}.jpg"
    return ManifestRow(url, default_image_id(url))


def _hashed(chance: random.Random) -> ManifestRow:
    url = f"https://images.example.com/{chance.randbytes(32).hex()}.jpg"
    return ManifestRow(url, default_image_id(url))


def _crawled(chance: random.Random) -> ManifestRow:
    caption = " ".join(chance.choices(WORDS, k=12))
    place = f"{chance.choice(WORDS)}{chance.randrange(5000)}.com/{chance.choice(WORDS)}"
    url = f"https://{place}/{chance.choice(WORDS)}-{chance.randbytes(6).hex()}.jpg"
    return ManifestRow(url, default_image_id(url), (caption,))


def _presigned(chance: random.Random) -> ManifestRow:
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20261127/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20261127T000000Z",
        "X-Amz-Expires": "604800",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": chance.randbytes(32).hex(),
    }
    url = f"https://bucket.s3.amazonaws.com/photos/{chance.randbytes(16).hex()}.jpg?{urlencode(query)}"
    return ManifestRow(url, default_image_id(url))


ROWS: Final[Mapping[str, Callable[[random.Random], ManifestRow]]] = {
    "numbered URLs": _numbered,
    "URLs with a sha256": _hashed,
    "URLs of a web crawl, with captions of 12 words": _crawled,
    "presigned URLs of S3": _presigned,
}


def _annotation(number: int, digits: int) -> Annotation:
    steps = np.random.default_rng(number).normal(0, 20, (90, 2))
    points = (500 + steps.cumsum(axis=0)).round(digits).astype(np.float32)
    url = f"https://images.example.com/2026/11/{number:08d}.jpg"
    answer = Answer(
        faces=(Face(points),),
        image_width=640,
        image_height=480,
        face_model_version="1",
        latency_ms=10.0,
        source="local",
        answered_at=datetime.now(UTC),
    )
    return Annotation(ManifestRow(url, f"{number}"), answer)


def _entry(annotation: Annotation) -> Entry:
    request = ImageRequest(annotation.row.image_url)
    return Entry(request_key("local 1", request), request.image_url, annotation.answer, datetime.now(UTC))


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
