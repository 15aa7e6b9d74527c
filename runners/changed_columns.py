"""Say at a run's start where the manifest's own columns are not those of the run before it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from runners.logs import LOGGER
from schemas.errors import RunError
from schemas.layout import Layout
from schemas.tables import IMAGES
from transforms.output_files import files_below, output_errors
from transforms.publish import last_committed_run

_MOST: Final = 5
"""A manifest may have a thousand columns."""


def warn_of_changed_columns(layout: Layout, columns: pa.Schema) -> None:
    """Warn where columns or types differ from the last committed run's: many readers take the first file's.

    Args:
        layout: where the new run's files will be.
        columns: the own columns of its manifest.
    """
    last = last_committed_run(layout.output)
    if last is None:
        return
    with suppress(RunError):  # a published table that cannot be read is no reason to stop a new run
        if changes := [*_changes(_own_columns(Layout(layout.output, last)), columns)]:
            more = f"; and {len(changes) - _MOST} more" if len(changes) > _MOST else ""
            LOGGER.warning(
                "the manifest's own columns differ from those of run %s: %s%s. The run goes on; docs/read.md "
                "shows how to read such runs together",
                last,
                "; ".join(changes[:_MOST]),
                more,
            )


def _own_columns(layout: Layout) -> pa.Schema:
    """Read the own columns of a committed run from the footer of one of its files.

    Raises:
        RunError: there is no file, or it cannot be read.
    """
    folder = layout.published("images")
    path = next(iter(files_below(folder)), None)
    if path is None:
        raise RunError(f"{folder} has no file")
    with output_errors("read", path), FileSystems.open(path) as file:
        return pa.schema(field for field in pq.read_schema(file) if field.name not in IMAGES.names)


def _changes(before: pa.Schema, now: pa.Schema) -> Iterator[str]:
    types = dict(zip(before.names, before.types, strict=True))
    for field in now:
        if field.name not in types:
            yield f"{field.name!r} is new ({field.type})"
        elif types[field.name] != field.type:
            yield f"{field.name!r} was {types[field.name]} and is {field.type}"
    yield from (f"{name!r} is missing (was {kind})" for name, kind in types.items() if name not in now.names)
