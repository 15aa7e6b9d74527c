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
    """Read the first row of the first file of each error code.

    Returns:
        Error code -> example. A code whose file cannot be read is left out.
    """
    examples: dict[str, DeadExample] = {}
    for path in record.files:
        code = found[1] if (found := _OF_CODE.match(path)) else ""
        if code in record.counts.dead and code not in examples:
            with suppress(RunError):
                examples[code] = _first_row(f"{layout.output.rstrip('/')}/{path}")
    return examples


@cache  # the summary and `--notify-url` show the same examples, and a published file never changes
def _first_row(path: str) -> DeadExample:
    """Read the first row of a file with at least one row; raises RunError if the file cannot be read."""
    columns = ["image_url", "message"]
    with reading(path) as file:
        (row,) = next(pq.ParquetFile(file).iter_batches(1, columns=columns)).to_pylist()
    return DeadExample(shown_url(str(row["image_url"] or "")), shown_text(str(row["message"])))
