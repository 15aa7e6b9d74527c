"""Register the files of committed runs in a Delta log beside them, as they are; needs the extra `delta`."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import (
    AddAction,
    PostCommitHookProperties,
    RemoveAction,
    create_table_with_add_actions,
)

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.tables import PARTITION_COLUMNS
from facebeam.transforms.files.any_store import files_below, is_local, reading
from facebeam.transforms.files.store import FoundFile

_JSON_ONLY: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""A checkpoint is a Parquet file, which readers of `faces/*/*.parquet` would take for a file of the table."""
_PLAIN: Final = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
"""Types of Arrow that are the same type in Parquet."""
_SIMPLE: Final = (
    *(pa.string(), pa.binary(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
)


class Registered(NamedTuple):
    """What one call has done to the log of a table."""

    added: list[str]
    """Runs whose files are in the log now."""
    removed: list[str]
    """Runs that were in the log, but whose files have been deleted."""
    misfits: dict[str, str]
    """Runs that are not in the log -> the column that does not fit."""
    left_out: set[str]
    """Columns that Delta has no type for: a reader of the log does not see them."""


def register_table(output: str, table: str, runs: Sequence[str]) -> Registered:
    """Make the Delta log of a table list exactly the files of these runs, by one commit per changed run.

    Args:
        output: the `--output` of the runs.
        table: `faces`, `images` or `dead_letters`.
        runs: ids of all committed runs, in the order in which the log gets them.

    Raises:
        RunError: a file cannot be read, or the log cannot be read or written.
    """
    done = Registered([], [], {}, set())
    with _delta_errors(f"{output.rstrip('/')}/{table}/_delta_log"):
        log = _Log(Layout(output, "").folder(table))
        for run in [*runs, *sorted(log.sizes.keys() - set(runs))]:
            files = log.files_of(run) if run in runs else {}
            known = log.sizes.get(run, {})
            if {path: file.size_bytes for path, file in files.items()} != known:
                _register_run(log, run, files, known, done)
    return done


class _Log:
    """The Delta log of a folder; `sizes` has what it lists: run -> path relative to the folder -> bytes."""

    def __init__(self, folder: str) -> None:
        self.folder = folder = _place(folder)
        self._table = DeltaTable(folder) if DeltaTable.is_deltatable(folder) else None
        if self._table and PARTITION_COLUMNS[0] not in self._table.metadata().partition_columns:
            raise RunError(f"{folder}/_delta_log is not a log of facebeam: move it away, with its files")
        self.sizes: dict[str, dict[str, int]] = {}
        for file in pa.table(self._table.get_add_actions()).to_pylist() if self._table else ():
            self.sizes.setdefault(_partitions(file["path"])["run"], {})[file["path"]] = file["size_bytes"]

    def files_of(self, run: str) -> dict[str, FoundFile]:
        """List the Parquet files of a run, by their path relative to the folder."""
        found = files_below(f"{self.folder}/run={run}")
        return {
            path[len(self.folder) + 1 :]: file for path, file in found.items() if path.endswith(".parquet")
        }

    def fields(self) -> dict[str, pa.Field]:
        """Give the columns of the log by their names in lower case: Delta does not tell cases apart."""
        columns = pa.schema(self._table.schema().to_arrow()) if self._table else pa.schema([])
        return {field.name.lower(): field for field in columns}

    def commit(self, adds: Sequence[AddAction], removes: Sequence[RemoveAction], columns: pa.Schema) -> None:
        """Commit changed files; before that, add columns that the log does not have yet."""
        names = [name for name in PARTITION_COLUMNS if adds and name in adds[0].partition_values]
        schema = Schema.from_arrow(pa.schema([*columns, *((name, pa.string()) for name in names)]))
        if self._table is None:
            create_table_with_add_actions(
                self.folder, schema, [*adds], partition_by=names, post_commithook_properties=_JSON_ONLY
            )
        else:
            known = self.fields()
            if new := [field for field in schema.fields if field.name.lower() not in known]:
                self._table.alter.add_columns(new, post_commithook_properties=_JSON_ONLY)
                self._table = DeltaTable(self.folder)
            self._table.create_write_transaction(
                [*removes, *adds], "append", self._table.schema(), post_commithook_properties=_JSON_ONLY
            )
        self._table = DeltaTable(self.folder)


def _place(folder: str) -> str:
    """Give the path of a folder as deltalake takes it: a relative `a:b` would be a URL.

    Raises:
        RunError: deltalake decodes the path, although it is not encoded, and would look for another folder.
    """
    path = str(Path(folder).resolve()) if is_local(folder) else folder
    if unquote(path) != path:
        raise RunError(f"{path}: deltalake cannot read a path with '%' and two hex digits: rename the folder")
    return path


def _register_run(
    log: _Log, run: str, files: Mapping[str, FoundFile], known: Mapping[str, int], done: Registered
) -> None:
    columns, rows = pa.schema([]), dict[str, int]()
    for path in files:
        with reading(f"{log.folder}/{path}") as file:
            footer = pq.read_metadata(file)
        columns, rows[path] = footer.schema.to_arrow_schema(), footer.num_rows
    kept = pa.schema([_plain(field) for field in columns if _has_delta_type(_plain(field).type)])
    done.left_out.update(set(columns.names) - set(kept.names))
    if misfit := _misfit(kept, log.fields()):
        done.misfits[run] = misfit
        files = {}  # only a run that was registered, and then replaced, has something to remove
    # A file whose rows were rewritten is added again: the newer entry of a path replaces the older one.
    adds = [
        _add(path, file, rows[path]) for path, file in files.items() if known.get(path) != file.size_bytes
    ]
    now_ms = time.time_ns() // 1_000_000
    removes = [
        RemoveAction(path, data_change=True, deletion_timestamp=now_ms)
        for path in known.keys() - files.keys()
    ]
    if adds or removes:
        log.commit(adds, removes, kept if adds else pa.schema([]))
        (done.added if adds else done.removed).append(run)


def _add(path: str, file: FoundFile, rows: int) -> AddAction:
    stats = json.dumps({"numRecords": rows})
    return AddAction(path, file.size_bytes, _partitions(path), int(file.changed * 1000), True, stats)  # noqa: FBT003 - their order


def _partitions(path: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in path.split("/")[:-1])


def _plain(field: pa.Field) -> pa.Field:
    """Allow nulls in every column: another run may lack it."""
    return pa.field(field.name, _PLAIN.get(field.type, field.type))


def _has_delta_type(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return all(_has_delta_type(kind.field(place).type) for place in range(kind.num_fields))
    return kind in _SIMPLE or pa.types.is_decimal128(kind)


def _misfit(columns: pa.Schema, known: Mapping[str, pa.Field]) -> str | None:
    """Name the first column that has another type, or another spelling, than in the log."""
    for field in columns:
        there = known.get(field.name.lower(), field)
        if (there.name, there.type) != (field.name, field.type):
            return (
                f"its column {field.name!r} is {field.type}, and the log has {there.name!r} as {there.type}"
            )
    return None


@contextmanager
def _delta_errors(log: str) -> Iterator[None]:
    """Translate exceptions of deltalake into RunError."""
    try:
        yield
    except (DeltaError, OSError) as error:
        cause = " ".join(str(error).partition("\n")[0].split())[:300]
        raise RunError(
            f"cannot read or write {log}: {cause}; the log can be deleted and written again at any time"
        ) from error
