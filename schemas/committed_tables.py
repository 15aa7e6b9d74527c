"""The tables of all committed runs of an output, with one type per column."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from schemas.common_type import common_type, has_wide_integers
from schemas.layout import RUNS, Layout

_KEY: Final = "image_url"
"""Is read always: a batch without columns would have no rows."""


class CommittedTables:
    """What lies under an output; files are opened one at a time.

    Args:
        output: a folder, or a URI that pyarrow knows, such as `s3://bucket/out`.

    Raises:
        FileNotFoundError: the output has no committed run.
    """

    def __init__(self, output: str) -> None:
        local = "://" not in output
        store, root = (pa.fs.LocalFileSystem(), output) if local else pa.fs.FileSystem.from_uri(output)
        self._store, self._root = store, root.rstrip("/")
        self.runs = [run_id for _, run_id in sorted(self._commits())]
        """Ids of the committed runs; the first one was committed first."""
        if not self.runs:
            raise FileNotFoundError(f"{output} has no committed run: name the --output of one")
        self._files = cache(self._list_files)

    def schema(self, table: str, columns: Sequence[str] | None) -> pa.Schema:
        """Give the schema of a table of all runs, or of these columns of it; the folders' come last.

        Raises:
            KeyError: no run has a column of this name.
        """
        metadata, found = None, dict[str, list[pa.DataType]]()
        for run in self.runs:
            for path in self._files(run, table)[:1]:  # the files of one run are alike
                stored = self._footer(path).schema.to_arrow_schema()
                metadata = stored.metadata
                for field in stored:
                    found.setdefault(field.name, []).append(field.type)
        types = {name: self._common_type(table, name, several) for name, several in found.items()}
        types |= dict.fromkeys(["run", "error_code"] if table == "dead_letters" else ["run"], pa.string())
        return pa.schema([(name, types[name]) for name in columns or types], metadata)

    def read(self, run: str, table: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read a table of one run in batches of this schema; what the run has not is null."""
        for path in self._files(run, table):
            folders = dict(part.split("=", 1) for part in path.split("/") if "=" in part) | {"run": run}
            with self._store.open_input_file(path) as file:
                parquet = pq.ParquetFile(file)
                stored = [name for name in parquet.schema_arrow.names if name in {_KEY, *schema.names}]
                for batch in parquet.iter_batches(columns=stored):
                    yield pa.record_batch([_column(batch, field, folders) for field in schema], schema)

    def _commits(self) -> Iterator[tuple[str, str]]:
        """Find the committed runs: time of the commit, and id."""
        for path in self._list(f"{self._root}/{RUNS}"):
            if path.endswith("/_SUCCESS"):
                with self._store.open_input_file(f"{path.rpartition('/')[0]}/run.json") as file:
                    record = json.loads(file.read())
                yield record["committed_at"], record["run_id"]

    def _list_files(self, run: str, table: str) -> list[str]:
        folder = Layout(self._root, run).published(table)
        return sorted(path for path in self._list(folder) if path.endswith(".parquet"))

    def _list(self, folder: str) -> list[str]:
        found = pa.fs.FileSelector(folder, recursive=True, allow_not_found=True)
        return [each.path for each in self._store.get_file_info(found)]

    def _common_type(self, table: str, name: str, types: Sequence[pa.DataType]) -> pa.DataType:
        footers = (self._footer(path) for run in self.runs for path in self._files(run, table))
        return common_type(types, lambda: has_wide_integers(footers, name))

    def _footer(self, path: str) -> pq.FileMetaData:
        with self._store.open_input_file(path) as file:
            return pq.read_metadata(file)


def _column(batch: pa.RecordBatch, field: pa.Field, folders: dict[str, str]) -> pa.Array:
    """Bring a column of a file to the type that it has in all runs."""
    if field.name not in batch.schema.names:
        return pa.repeat(pa.scalar(folders.get(field.name), field.type), len(batch))
    values = batch[field.name]
    if pa.types.is_nested(values.type) and pa.types.is_string(field.type):
        texts = (value if value is None else json.dumps(value, default=str) for value in values.to_pylist())
        return pa.array(texts, field.type)
    return values.cast(field.type)
