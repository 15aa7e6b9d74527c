"""Choose the rows to export, report or compare: of one run, of every run, or the newest answers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.schemas.read_tables import CommittedTables, Key, every_run, newest
from facebeam.transforms.files.any_store import file_errors
from facebeam.transforms.steps.progress import PROGRESS

Table = Literal["faces", "images", "dead_letters"]
_MODEL: Final = ("source", "face_model_version")
LATEST: Final = "latest"
"""Text of `--run` for the run that was committed last."""


@contextmanager
def reading_tables(output: str) -> Iterator[None]:
    """Translate exceptions of reading tables into RunError.

    Raises:
        RunError: the output has no committed run, or its tables cannot be read.
    """
    try:
        with file_errors("read the tables of", output):
            yield
    except RunError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise RunError(str(error.__cause__)) from error
        raise


def committed_tables(output: str) -> CommittedTables:
    """Find the committed runs of an output; raises RunError if there is none."""
    with reading_tables(output):
        return CommittedTables(output)


def run_called(tables: CommittedTables, output: str, run: str) -> str:
    """Give the id of a committed run.

    Args:
        tables: the committed runs of the output.
        output: the `--output`, for messages.
        run: an id, or `latest`: the run that was committed last.

    Raises:
        RunError: no committed run has this id.
    """
    if run == LATEST:
        return tables.runs[-1]
    if run not in tables.runs:
        last = ", ".join(reversed(tables.runs[-3:]))
        raise RunError(
            f"{output} has no committed run {run}. 'facebeam runs' lists its runs; the last ones are {last}"
        )
    return run


@dataclass(frozen=True)
class ChosenRows:
    """Rows of an output's tables, to be read as often as needed.

    Args:
        output: the `--output` of the runs.
        run: the id of the only run. None: all committed runs.
        newest: whether only the newest answer of each image counts; with `run` set, it has no effect.
        key: names an image, for the newest answers.
    """

    output: str
    run: str | None = None
    newest: bool = False
    key: Key = "image_url"
    models: set[tuple[str, str]] = field(default_factory=set, compare=False)
    """Source and version of each model in the images that were read so far."""

    def schema(self, table: Table) -> pa.Schema:
        """Give all columns of a table, united over all runs; raises RunError if it cannot be read."""
        with reading_tables(self.output):
            return CommittedTables(self.output).schema(table, None)

    def read(self, table: Table, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read rows, one batch at a time.

        Args:
            table: with `newest`, not `dead_letters`.
            columns: the columns to read. None: all.

        Raises:
            RunError: the tables cannot be read.
        """
        with reading_tables(self.output):
            for batch in self._read(table, columns):
                yield batch
                if table == "images" and {*_MODEL} <= {*batch.schema.names}:
                    models = pa.table(batch.select(_MODEL)).group_by([*_MODEL]).aggregate([])
                    self.models.update(tuple(row.values()) for row in models.to_pylist())
                PROGRESS.ended.rows += len(batch)

    def _read(self, table: Table, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        if self.run is not None:
            tables = CommittedTables(self.output)
            return tables.read(self.run, table, tables.schema(table, columns))
        if self.newest and table != "dead_letters":
            return iter(newest(self.output, table, columns, key=self.key))
        return iter(every_run(self.output, table, columns))
