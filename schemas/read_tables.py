"""Read the tables of all committed runs as one table: every row, or the newest answer of each image."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from facebeam.schemas.common_type import common_type, has_wide_integers
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import RUNS, Layout

__all__ = ["every_run", "newest"]

_KEY: Final = "image_url"
"""Column that is always read, because a batch without columns would have no rows."""
_IN_URIS: Final = "%/:?#[]@!$&'()*+,;="
"""Characters that a URI may contain besides letters and digits.

`?` is one of them, because pyarrow reads a store's settings from the query."""


def readable_uri(path: str) -> str:
    """Percent-encode a URL such as `s3://bucket/my photos` for pyarrow and pandas, but not a local path.

    >>> readable_uri("s3://bucket/my photos/out"), readable_uri("my photos/out")
    ('s3://bucket/my%20photos/out', 'my photos/out')
    """
    return quote(path, safe=_IN_URIS) if "://" in path else path


class CommittedTables:
    """The tables of all committed runs under an output. Files are opened one at a time.

    Args:
        output: a folder, or a URI that pyarrow knows, such as `s3://bucket/out`.

    Raises:
        FileNotFoundError: the output has no committed run.
        RunError: the record of a committed run is damaged.
    """

    def __init__(self, output: str) -> None:
        # Arrow takes a relative path such as `a:b` for a URI.
        store, root = pa.fs.LocalFileSystem(), str(Path(output).absolute())
        if "://" in output:
            store, root = pa.fs.FileSystem.from_uri(readable_uri(output))
        self._store, self._root = store, root.rstrip("/")
        self.runs = [run_id for _, run_id in sorted(self._commits())]
        """Ids of the committed runs; the first one was committed first."""
        if not self.runs:
            raise FileNotFoundError(f"{output} has no committed run: give the --output of a committed run")
        self._files = cache(self._list_files)

    def schema(self, table: str, columns: Sequence[str] | None) -> pa.Schema:
        """Give the schema of a table over all runs, or of some columns; `run` and `error_code` come last.

        Raises:
            KeyError: no run has a column of this name.
        """
        metadata, found = None, dict[str, list[pa.DataType]]()
        for run in self.runs:
            for path in self._files(run, table)[:1]:  # all files of one run have the same schema
                stored = self._footer(path).schema.to_arrow_schema()
                metadata = stored.metadata
                for field in stored:
                    found.setdefault(field.name, []).append(field.type)
        types = {name: self._common_type(table, name, several) for name, several in found.items()}
        types |= dict.fromkeys(["run", "error_code"] if table == "dead_letters" else ["run"], pa.string())
        return pa.schema([(name, types[name]) for name in columns or types], metadata)

    def read(self, run: str, table: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read a table of one run in batches of this schema; columns that the run does not have are null."""
        for path in self._files(run, table):
            folders = dict(part.split("=", 1) for part in path.split("/") if "=" in part) | {"run": run}
            with self._store.open_input_file(path) as file:
                parquet = pq.ParquetFile(file)
                stored = [name for name in parquet.schema_arrow.names if name in {_KEY, *schema.names}]
                for batch in parquet.iter_batches(columns=stored):
                    yield pa.record_batch([_column(batch, field, folders) for field in schema], schema)

    def _commits(self) -> Iterator[tuple[str, str]]:
        """Yield commit time and id of each committed run. Skip empty records, which a power cut may leave."""
        found = {*self._list(f"{self._root}/{RUNS}")}
        for path in found:
            if path.endswith("/run.json") and path.replace("/run.json", "/_SUCCESS") in found:
                with self._store.open_input_file(path) as file:
                    content = file.read()
                if content:
                    yield _commit(path, content)

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


def _commit(path: str, content: bytes) -> tuple[str, str]:
    try:
        record = json.loads(content)
        return record["committed_at"], record["run_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged ({type(error).__name__}): restore it, or delete that run's folders"
        ) from error


def _column(batch: pa.RecordBatch, field: pa.Field, folders: dict[str, str]) -> pa.Array:
    """Convert a column of a file to the type that the column has over all runs."""
    if field.name not in batch.schema.names:
        return pa.repeat(pa.scalar(folders.get(field.name), field.type), len(batch))
    values = batch[field.name]
    if pa.types.is_nested(values.type) and pa.types.is_string(field.type):
        texts = (value if value is None else json.dumps(value, default=str) for value in values.to_pylist())
        return pa.array(texts, field.type)
    return values.cast(field.type)


Key = Literal["image_url", "image_id"]

_KEYS: Final = ("image_url", "image_id")


def every_run(output: str, table: str, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Read a table of all committed runs, the oldest run first.

    Args:
        output: the `--output` of the runs: a folder, or a URI that pyarrow knows, such as `s3://bucket/out`.
        table: `faces`, `images` or `dead_letters`.
        columns: names of the columns to read. None: all; `run` and the dead letters' `error_code` come last.

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

    The newest answer comes from the run that was committed last. If this run found no face, the image has no
    row in `faces`, even if older runs found one. A dead letter is not an answer: the image keeps its older
    answer. An image that a manifest lists twice comes once.

    The reader holds about 300 bytes per image in memory.

    Args:
        output: as in `every_run`.
        table: `faces` or `images`.
        columns: as in `every_run`.
        key: the column that identifies an image. Use `image_id` if the URL of an image changes from run to
            run, for example because it is signed.

    Returns:
        A reader, as from `every_run`; the newest run comes first.

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
    """Find the rows of images that no newer run has answered, one per image; add the images to `answered`.

    Returns:
        Digest of a row's keys -> index of the face to read next.
    """
    due: dict[bytes, int] = {}
    for batch in images:
        for row, image in zip(_digests(batch, _KEYS), _digests(batch, [key]), strict=True):
            if image not in answered:
                answered.add(image)
                due[row] = 0
    return due


def _take_due(batch: pa.RecordBatch, due: dict[bytes, int]) -> pa.Array:
    """Choose the rows to read, and count them in `due`.

    If a manifest has two equal rows, the table has their faces 0, 1, 2 twice. Only the first ones are chosen.
    """
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
