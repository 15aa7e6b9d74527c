"""Read one dead letter per error code of a run, as an example for the summary."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import RunRecord
from facebeam.transforms.files.any_store import reading
from facebeam.transforms.http.shown_text import shown_text, shown_url

_OF_CODE: Final = re.compile("dead_letters/.*error_code=([a-z0-9_]+)/")


class DeadExample(NamedTuple):
    """One dead letter; URL and message are shortened and without secrets, so that they can be shown."""

    image_url: str
    message: str


def dead_examples(layout: Layout, record: RunRecord) -> Mapping[str, DeadExample]:
    """Read the first row of each error code.

    Returns:
        Error code -> example. A code is left out if its files cannot be read, or if their rows were deleted.
    """
    examples: dict[str, DeadExample] = {}
    for path in record.files:
        code = found[1] if (found := _OF_CODE.match(path)) else ""
        if code in record.counts.dead and code not in examples:
            with suppress(RunError):
                if example := _first_row(f"{layout.output.rstrip('/')}/{path}"):
                    examples[code] = example
    return examples


@cache  # the summary and `--notify-url` show the same examples
def _first_row(path: str) -> DeadExample | None:
    """Read the first row of a file; None: it has no rows. Raises RunError if the file cannot be read."""
    with reading(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(1, columns=["image_url", "message"]):
            for row in batch.to_pylist():
                return DeadExample(shown_url(str(row["image_url"] or "")), shown_text(str(row["message"])))
    return None
