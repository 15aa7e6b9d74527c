"""Check the counts of a run's staged tables, then publish them: readers see the whole run or nothing."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.transforms.combiners import ToList

from facebeam.schemas.errors import ErrorCode, RunError, SetUpError
from facebeam.schemas.layout import NO_CODE, Layout
from facebeam.schemas.run_record import (
    CallCounts,
    Latencies,
    RunCounts,
    RunFacts,
    RunRecord,
    sum_of_calls,
)
from facebeam.schemas.tables import TABLES, with_manifest_columns
from facebeam.transforms.files.any_store import exists, files_below, make_durable, writing
from facebeam.transforms.http.shown_text import shown_url
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.publish import Plan, finish, is_committed, publish
from facebeam.transforms.steps.write_table import StagedFile, new_staged_file


def count_tables(staged: Sequence[StagedFile], rows_read: int) -> RunCounts:
    """Add up the counts that the writers of the staged files reported."""
    dead: Counter[str] = Counter()
    for file in staged:
        if file.table == "dead_letters":
            dead[file.partition.removeprefix("error_code=")] += file.rows
    return RunCounts(
        rows_read=rows_read,
        ok=sum(file.ok for file in staged),
        no_face=sum(file.no_face for file in staged),
        face_count=sum(file.face_count for file in staged),
        faces=sum(file.rows for file in staged if file.table == "faces"),
        dead=dict(sorted(dead.items())),
    )


def latency_percentiles(staged: Iterable[StagedFile]) -> Latencies:
    """Give median, 95th and 99th percentile of the latencies in ms; None if the source was not asked."""
    counts: Counter[float] = Counter()
    for file in staged:
        counts.update(dict(file.latencies))
    if not counts:
        return Latencies()
    values = sorted(counts)
    up_to = list(accumulate(counts[value] for value in values))
    return Latencies(*(values[bisect_left(up_to, share * up_to[-1])] for share in (0.5, 0.95, 0.99)))


def with_empty_tables(staged: Sequence[StagedFile], layout: Layout, columns: pa.Schema) -> list[StagedFile]:
    """Stage an empty file for each table without files, so that readers find every table with its schema."""
    missing = TABLES.keys() - {file.table for file in staged}
    return [*staged, *(_stage_empty(table, layout, columns) for table in sorted(missing))]


def files_to_publish(staged: Iterable[StagedFile], layout: Layout) -> dict[str, int]:
    """Check the sizes of the staged files and write them through to the disk.

    Returns:
        Path below the staging folder -> size in bytes.

    Raises:
        RunError: a file is missing, or its size differs from the one that its writer reported.
    """
    found = files_below(layout.staging)
    wanted = {file.path: file.size_bytes for file in sorted(staged, key=lambda file: file.path)}
    for path, size in wanted.items():
        if path not in found or found[path].size_bytes != size:
            there = f"has {found[path].size_bytes:,} bytes" if path in found else "is not there"
            raise RunError(f"cannot read {path}: {size:,} bytes were written, but it {there}")
        make_durable(path)
    for folder in {path.rpartition("/")[0] for path in wanted}:
        make_durable(folder)
    return {path.removeprefix(f"{layout.staging}/"): size for path, size in wanted.items()}


def commit_run(  # noqa: PLR0913, PLR0917 - all results of a run, in one place
    layout: Layout,
    staged: Sequence[StagedFile],
    rows_read: int,
    calls: CallCounts,
    columns: pa.Schema,
    facts: RunFacts,
) -> None:
    """Check and publish a run. If publishing has already begun, only finish it.

    Args:
        layout: paths of the run's files, before and after publishing.
        staged: the files that the run wrote.
        rows_read: number of rows in the manifest, good or bad.
        calls: counts of the calls to the face source.
        columns: the manifest's own columns.
        facts: versions, options and start of the run, for its record.

    Raises:
        RunError: the counts contradict each other, or the output cannot be written; nothing is visible.
        SetUpError: all rows fail for one reason that a flag can change; nothing is visible.
    """
    if is_committed(layout):
        return
    if exists(layout.plan):
        finish(layout)
        return
    counts = count_tables(staged, rows_read)
    if rule := counts.broken_rule():
        raise RunError(f"run {layout.run_id} is not committed: its counts break a rule: {rule}")
    if cure := _cure_of_all(counts):
        raise SetUpError(f"all {counts.rows_read} rows failed in one way, so nothing is committed: {cure}")
    files = files_to_publish(with_empty_tables(staged, layout, columns), layout)
    record = RunRecord(
        run_id=layout.run_id,
        facts=facts,
        committed_at=datetime.now(UTC),
        counts=counts,
        calls=calls,
        latency_ms=latency_percentiles(staged),
        files=tuple(_published(path, layout) for path in files),
    )
    publish(layout, Plan(files=files, record=record.to_json()))


def _published(path: str, layout: Layout) -> str:
    """Give a file's path relative to the output, so that the record stays right when the output is moved."""
    table, _, below = path.partition("/")
    return layout.published(table, below).removeprefix(f"{layout.output.rstrip('/')}/")


def _cure_of_all(counts: RunCounts) -> str | None:
    """Give the error of all rows and its cure, if they share one error that a flag can change; else None."""
    match [ErrorCode.named(code) for code in counts.dead]:
        case [code] if code.about.set_up_cure and counts.dead_total == counts.rows_read:
            return f"{code}, {code.meaning}; {code.about.set_up_cure}"
    return None


@dataclass
class CommitRun(beam.PTransform[PCollection[StagedFile], PCollection[str]]):
    """PCollection[StagedFile] -> PCollection[str], the id of the committed run.

    Readers see the whole run or nothing. The engine may repeat this step without harm.

    Args:
        layout: paths of the run's files, before and after publishing.
        row_counts: numbers of manifest rows read; their sum is that of the whole run.
        calls: counts of calls to the face source; their sum is that of the whole run.
        columns: the manifest's own columns.
        facts: versions, options and start of the run, for its record.
    """

    layout: Layout
    row_counts: PCollection[int]
    calls: PCollection[CallCounts]
    columns: pa.Schema
    facts: RunFacts

    def display_data(self) -> dict[str, str]:
        """Give what engines show beside this step."""
        return {"run": self.layout.run_id, "output": shown_url(self.layout.output)}

    def expand(self, staged: PCollection[StagedFile]) -> PCollection[str]:
        """Gather all file names and the sums of rows and calls in one place, and commit there."""
        rows_read = self.row_counts | "CountRows" >> beam.CombineGlobally(sum)
        calls = self.calls | "CountCalls" >> beam.CombineGlobally(sum_of_calls)
        return (
            staged
            | "GatherFiles" >> ToList()
            | beam.ParDo(
                _Commit(self.layout, self.columns, self.facts), AsSingleton(rows_read), AsSingleton(calls)
            )
        )


class _Commit(beam.DoFn):
    def __init__(self, layout: Layout, columns: pa.Schema, facts: RunFacts) -> None:
        self._layout = layout
        self._columns = columns
        self._facts = facts

    def process(self, element: list[StagedFile], rows_read: int, calls: CallCounts) -> Iterator[str]:
        with PROGRESS.publishing:
            commit_run(self._layout, element, rows_read, calls, self._columns, self._facts)
            PROGRESS.committed = True
        yield self._layout.run_id


def _stage_empty(table: str, layout: Layout, columns: pa.Schema) -> StagedFile:
    partition = f"error_code={NO_CODE}" if table == "dead_letters" else ""
    file = new_staged_file(layout, table, partition)
    with writing(file.path) as opened:
        # Only a footer, no row group: Hugging Face's datasets cannot read a row group of zero rows.
        pq.ParquetWriter(opened, with_manifest_columns(TABLES[table], columns)).close()
        return file._replace(size_bytes=opened.tell())
