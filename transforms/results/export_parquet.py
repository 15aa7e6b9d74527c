"""Export as Parquet: two flat folders, `faces` and `images`, and a dataset card as Hugging Face reads it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.schemas.tables import DICTIONARY_BYTES
from facebeam.transforms.files.any_store import file_errors, writing
from facebeam.transforms.results.chosen_rows import ChosenRows, Table
from facebeam.transforms.results.dataset_card import Counts, dataset_card

_ROWS_A_GROUP: Final = 10_000
ROWS_A_FILE: Final = 250_000
"""About 200 MB of faces."""


def export_parquet(rows: ChosenRows, folder: str) -> Counts:
    """Write the chosen rows of `faces` and `images`, all columns, in files of at most 250,000 rows.

    Returns:
        What was written: faces, images, and images by outcome, source and run.

    Raises:
        RunError: the tables cannot be read, or the folder cannot be written.
    """
    faces = _write_table(rows, "faces", folder, Counter())
    found: Counter[tuple[str, ...]] = Counter()
    images = _write_table(rows, "images", folder, found)
    counts = Counts(images, faces, found)
    with writing(f"{folder}/README.md") as file:
        file.write(dataset_card(counts).encode())
    return counts


def _write_table(rows: ChosenRows, table: Table, folder: str, found: Counter[tuple[str, ...]]) -> int:
    schema = rows.schema(table)
    batches = _regrouped(_counted(rows.read(table), found), schema)
    written = 0
    for number, part in enumerate(_parts(batches)):
        path = f"{folder}/{table}/part-{number:05}.parquet"
        with writing(path) as file, file_errors("write", path):
            options = {"compression": "zstd", "dictionary_pagesize_limit": DICTIONARY_BYTES}
            with pq.ParquetWriter(file, schema, **options) as writer:
                for group in part:
                    writer.write_table(group, _ROWS_A_GROUP)
                    written += len(group)
    return written


def _counted(batches: Iterable[pa.RecordBatch], found: Counter[tuple[str, ...]]) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and count the rows of batches that have outcomes."""
    for batch in batches:
        if "outcome" in batch.schema.names:
            grouped = pa.table(batch.select(Counts.OF)).group_by([*Counts.OF]).aggregate([([], "count_all")])
            for row in grouped.to_pylist():
                found[tuple(str(row[name]) for name in Counts.OF)] += row["count_all"]
        yield batch


def _regrouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Join batches, which may be small because rows were left out, until they fill a row group."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(map(len, gathered)) >= _ROWS_A_GROUP:
            yield pa.Table.from_batches(gathered, schema)
            gathered = []
    if rest := pa.Table.from_batches(gathered, schema):
        yield rest


def _parts(groups: Iterator[pa.Table]) -> Iterator[Iterator[pa.Table]]:
    """Divide groups among files; a table without rows has one file too, so that readers find its columns."""
    first: pa.Table | None = next(groups, None)
    if first is None:
        yield iter(())
    while first is not None:
        last: list[pa.Table] = []
        yield _one_part(first, groups, last)
        first = last[0] if last else None


def _one_part(first: pa.Table, groups: Iterator[pa.Table], beyond: list[pa.Table]) -> Iterator[pa.Table]:
    rows = len(first)
    yield first
    for group in groups:
        rows += len(group)
        if rows > ROWS_A_FILE:
            beyond.append(group)
            return
        yield group
