"""Read the tables of all committed runs: every row, or the newest answer of each image.

Runs may differ in the manifest's own columns. Here all runs have one schema: a column that a run lacks is
null, and a type grows until it holds every value. In memory is one batch of rows, never a table.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, Literal

import pyarrow as pa

from schemas.committed_tables import CommittedTables

Key = Literal["image_url", "image_id"]

_KEYS: Final = ("image_url", "image_id")


def every_run(output: str, table: str, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Read a table of all committed runs, the oldest run first.

    Args:
        output: the `--output` of the runs: a folder, or a URI that pyarrow knows, such as `s3://bucket/out`.
        table: `faces`, `images` or `dead_letters`.
        columns: those to read. None: all, `run` and the dead letters' `error_code` last.

    Returns:
        A reader: `for batch in reader`, or `reader.read_all()`, `reader.read_pandas()`.

    Raises:
        FileNotFoundError: the output has no committed run.
        KeyError: no run has a column of this name.
    """
    tables = CommittedTables(output)
    schema = tables.schema(table, columns)
    batches = (batch for run in tables.runs for batch in tables.read(run, table, schema))
    return pa.RecordBatchReader.from_batches(schema, batches)


def newest(
    output: str,
    table: Literal["faces", "images"],
    columns: Sequence[str] | None = None,
    *,
    key: Key = "image_url",
) -> pa.RecordBatchReader:
    """Read the newest answer of each image: one row of `images`, or one row of `faces` per face.

    The newest answer is that of the run that was committed last. If it found no face, the image has no row in
    `faces`, whatever older runs found. A dead letter is no answer: the image keeps its older one. An image
    that a manifest lists twice comes once.

    Some 300 bytes per image are held in memory.

    Args:
        output: as of `every_run`.
        table: `faces` or `images`.
        columns: as of `every_run`.
        key: what names an image; `image_id` where its URL changes from run to run, as a signed one does.

    Returns:
        A reader, as of `every_run`; the newest run comes first.

    Raises:
        FileNotFoundError: the output has no committed run.
        KeyError: no run has a column of this name.
    """
    tables = CommittedTables(output)
    schema = tables.schema(table, columns)
    return pa.RecordBatchReader.from_batches(schema, _newest_batches(tables, table, schema, key))


def _newest_batches(
    tables: CommittedTables, table: str, schema: pa.Schema, key: Key
) -> Iterator[pa.RecordBatch]:
    keys = pa.schema([(name, pa.string()) for name in _KEYS])
    face = pa.schema([("face_index", pa.int32())] if table == "faces" else [])
    wanted = pa.unify_schemas([schema, keys, face])
    answered: set[bytes] = set()
    for run in reversed(tables.runs):
        due = _newly_answered(tables.read(run, "images", keys), key, answered)
        for batch in tables.read(run, table, wanted):
            yield batch.filter(_take_due(batch, due)).select(schema.names)


def _newly_answered(images: Iterable[pa.RecordBatch], key: Key, answered: set[bytes]) -> dict[bytes, int]:
    """Find a run's row of each image that no newer run has answered; add these images to `answered`.

    Returns:
        Digest of the row's keys -> index of the face that comes next.
    """
    due: dict[bytes, int] = {}
    for batch in images:
        for row, image in zip(_digests(batch, _KEYS), _digests(batch, [key]), strict=True):
            if image not in answered:
                answered.add(image)
                due[row] = 0
    return due


def _take_due(batch: pa.RecordBatch, due: dict[bytes, int]) -> pa.Array:
    """Choose what is due, once: two equal rows of a manifest have faces 0, 1, 2 and 0, 1, 2."""
    is_faces = "face_index" in batch.schema.names
    faces = batch["face_index"].to_pylist() if is_faces else [0] * len(batch)
    chosen: list[bool] = []
    for row, face in zip(_digests(batch, _KEYS), faces, strict=True):
        is_due = due.get(row) == face
        chosen.append(is_due)
        if is_due:
            due[row] = face + 1
    return pa.array(chosen, pa.bool_())


def _digests(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[bytes]:
    for values in zip(*(batch[name].to_pylist() for name in names), strict=True):
        yield blake2b("\n".join(values).encode(), digest_size=16).digest()
