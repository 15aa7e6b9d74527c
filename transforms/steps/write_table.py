"""Write the rows of one table into Parquet files in the run's staging folder."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar
from uuid import uuid4

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.tables import DICTIONARY_BYTES, TABLES, with_manifest_columns
from facebeam.schemas.values import ManifestRow, Outcome
from facebeam.transforms.files.any_store import file_errors, writing
from facebeam.transforms.steps.staged_rows import size_of


class _HasRow(Protocol):
    """An annotation or a dead letter."""

    @property
    def row(self) -> ManifestRow: ...


Value = TypeVar("Value", bound=_HasRow)
FlattenValues = Callable[[Sequence[Value], pa.Schema], pa.RecordBatch]

VALUES_A_ROW_GROUP = 10_000
BYTES_A_ROW_GROUP: Final = 64 << 20
"""Rows of the manifest of this many bytes end a row group early; `faces` has such a row once per face."""
VALUES_A_FILE = 250_000


class StagedFile(NamedTuple):
    """A finished Parquet file that readers do not see yet."""

    table: str
    partition: str
    """The folder between the run's folder and the file, such as `error_code=timeout`; empty: none."""
    path: str
    size_bytes: int = 0
    rows: int = 0
    ok: int = 0
    """Of `images`: rows with this outcome."""
    no_face: int = 0
    face_count: int = 0
    """Of `images`: the sum of that column."""
    latencies: tuple[tuple[float, int], ...] = ()
    """Of `images`: milliseconds to three digits, and rows with them; at most a few thousand pairs."""

    def counting(self, batch: pa.RecordBatch) -> "StagedFile":
        """Add the counts of rows that are written into the file; so the commit does not have to read it."""
        rows = self.rows + batch.num_rows
        if self.table != "images":
            return self._replace(rows=rows)
        outcomes = Counter(batch["outcome"].to_pylist())
        latencies = Counter(dict(self.latencies)) + _to_three_digits(batch["latency_ms"])
        return self._replace(
            rows=rows,
            ok=self.ok + outcomes[Outcome.OK],
            no_face=self.no_face + outcomes[Outcome.NO_FACE],
            face_count=self.face_count + (pc.sum(batch["face_count"]).as_py() or 0),
            latencies=tuple(latencies.items()),
        )


def _to_three_digits(latencies: pa.Array) -> Counter[float]:
    """Count latencies by their value to three digits; nulls, which come from the journal, are left out."""
    values = latencies.drop_null().to_numpy()
    scale = 10.0 ** (2 - np.floor(np.log10(np.maximum(values, 1e-3))))
    return Counter((np.round(values * scale) / scale).tolist())


def new_staged_file(layout: Layout, table: str, partition: str) -> StagedFile:
    """Name a new file. Publishing does not change the name, so that it can rename a whole folder."""
    name = f"part-{uuid4().hex}.parquet"
    return StagedFile(table, partition, layout.staged(table, f"{partition}/{name}".lstrip("/")))


def no_partition(_value: object) -> str:
    """Put every value into the run's own folder, without a partition."""
    return ""


@dataclass
class WriteTable(beam.PTransform[PCollection[Value], PCollection[StagedFile]], Generic[Value]):
    """PCollection[Value] -> PCollection[StagedFile].

    A bundle that succeeds has written all of its files. A bundle that the engine retries leaves files of its
    earlier tries behind. No StagedFile names these files, so they are never published.

    Args:
        table: name of the table.
        flatten: turns a list of values into rows, given the manifest's own columns.
        columns: the manifest's own columns.
        layout: paths of the run, with its staging folder.
        partition: gives the name of the folder for the rows of a value.

    Raises:
        RunError: the output cannot be written.
    """

    table: str
    flatten: FlattenValues[Value]
    columns: pa.Schema
    layout: Layout
    partition: Callable[[Value], str] = no_partition

    def display_data(self) -> dict[str, str]:
        """Give what engines show beside this step."""
        return {"table": self.table, "run": self.layout.run_id}

    def expand(self, values: PCollection[Value]) -> PCollection[StagedFile]:
        """Write each bundle into its own files."""
        return values | beam.ParDo(_WriteFiles(self))


class _WriteFiles(beam.DoFn, Generic[Value]):
    def __init__(self, step: WriteTable[Value]) -> None:
        self._step = step

    def setup(self) -> None:
        """Start with no file open."""
        self._files: dict[str, _OpenFile[Value]] = {}

    def process(self, element: Value) -> Sequence[StagedFile]:
        partition = self._step.partition(element)
        file = self._files.get(partition)
        if file is None:
            file = self._files[partition] = _OpenFile(self._step, partition)
        if file.add(element) < VALUES_A_FILE:
            return ()
        staged = file.close()  # deleted from the list afterwards: teardown must find a file that fails here
        del self._files[partition]
        return [staged]

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Close all open files."""
        window = GlobalWindow()
        for file in self._files.values():
            yield WindowedValue(file.close(), window.max_timestamp(), (window,))
        self._files.clear()

    def teardown(self) -> None:
        """Abandon the files of a bundle that failed."""
        for file in self._files.values():
            file.give_up()


class _OpenFile(Generic[Value]):
    """A Parquet file under construction: a thread writes one row group while the next one is collected."""

    def __init__(self, step: WriteTable[Value], partition: str) -> None:
        self._step = step
        self._buffer: list[Value] = []
        self._bytes = 0
        self._values = 0
        self._staged = new_staged_file(step.layout, step.table, partition)
        self._open = ExitStack()
        self._file = self._open.enter_context(writing(self._staged.path))
        schema = with_manifest_columns(TABLES[step.table], step.columns)
        self._writer = self._open.enter_context(
            pq.ParquetWriter(
                self._file, schema, compression="zstd", dictionary_pagesize_limit=DICTIONARY_BYTES
            )
        )
        self._thread = self._open.enter_context(ThreadPoolExecutor(1, "parquet"))
        self._written: Future[None] | None = None

    def add(self, value: Value) -> int:
        """Add a value; give the number of values so far."""
        self._buffer.append(value)
        self._bytes += size_of(value.row)
        self._values += 1
        if len(self._buffer) == VALUES_A_ROW_GROUP or self._bytes >= BYTES_A_ROW_GROUP:
            self._write_row_group()
        return self._values

    def close(self) -> StagedFile:
        """Write the remaining rows and the footer."""
        self._write_row_group()
        self._wait()
        with file_errors("write", self._staged.path):
            self._writer.close()
            size = self._file.tell()
            self._open.close()
        return self._staged._replace(size_bytes=size)

    def give_up(self) -> None:
        """Close a file that will not be published; ignore errors."""
        self._writer.is_open = False  # otherwise pyarrow writes a footer when the writer is garbage-collected
        with suppress(RunError):
            self._open.close()

    def _write_row_group(self) -> None:
        batch = self._step.flatten(self._buffer, self._step.columns)
        self._buffer.clear()
        self._bytes = 0
        self._staged = self._staged.counting(batch)
        self._wait()
        # No image may have a face, and Hugging Face's datasets cannot read a row group of zero rows.
        if batch.num_rows:
            self._written = self._thread.submit(self._writer.write_batch, batch)

    def _wait(self) -> None:
        """Wait until the last row group is written; raises RunError if it cannot be written."""
        if self._written:
            with file_errors("write", self._staged.path):
                self._written.result()
