"""The journal: answers by the question that they were paid for, shared by all runs."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.schemas.request_key import bucket_of
from facebeam.schemas.values import Answer, Failure
from facebeam.transforms.files.any_store import check_writable
from facebeam.transforms.journal.compact import compact
from facebeam.transforms.journal.entries import ENTRIES, decode_entries
from facebeam.transforms.journal.journal_writer import FLUSH_EVERY_S, JournalWriter
from facebeam.transforms.journal.read_entries import read_newest
from facebeam.transforms.journal.segments import SegmentVanishedError, at_once, bucket_folder, list_segments
from facebeam.transforms.steps.thread_window import thread_window

__all__ = ["Journal", "JournalWriter"]

_MOST_LISTINGS = 100


@dataclass(frozen=True)
class Journal:
    """Where answers are kept; a description that can be pickled.

    Law: nothing is paid for twice.

    Args:
        path: a folder on any file system; it need not be there yet.
        max_age_s: older answers do not count; None for no limit.
        tidy: merge small segments and set damaged ones aside while reading.
    """

    path: str
    max_age_s: float | None = None
    tidy: bool = True

    def stored(self, keys: Collection[bytes]) -> Iterator[tuple[bytes, Answer | Failure]]:
        """Yield each key that has an entry, with the newest one: an answer, or a failure that is final.

        What comes back was not asked in this run: `from_journal` and `was_sent` say so. Two buckets' share of
        the keys is in memory at a time; of a remote journal, of the buckets that are read side by side.
        Buckets with many small segments are compacted in passing, where the journal is kept `tidy`.

        Raises:
            RunError: the journal cannot be read, or a newer facebeam wrote in it.
        """
        window = max(2, at_once(self.path))  # the next bucket is read while one is handed on
        with ThreadPoolExecutor(window, "journal") as pool:
            for _, entries in thread_window(pool, lambda: window, self._read, _by_bucket(keys).items()):
                yield from decode_entries(entries)

    def open(
        self,
        flush_every_s: float = FLUSH_EVERY_S,
        asked_by: str | None = None,
        may_go_on: Callable[[], bool] | None = None,
    ) -> JournalWriter:
        """Give a writer, a context manager: leaving it writes what was recorded."""
        return JournalWriter(self.path, flush_every_s, asked_by, may_go_on)

    def check_writable(self) -> None:
        """Write a file and delete it again; the journal's folder is there then.

        Raises:
            RunError: nothing can be written there.
        """
        try:
            check_writable(self.path)
        except RunError as error:
            raise RunError(f"{error}, or keep the journal elsewhere with --journal") from error

    def _read(self, bucket: tuple[int, Collection[bytes]]) -> pa.Table:
        """Read the newest entries of a bucket; from the start where another process merges it meanwhile."""
        number, keys = bucket
        folder = bucket_folder(self.path, number)
        wanted = pa.array(keys, ENTRIES.field("key").type)
        for _ in range(_MOST_LISTINGS):
            try:
                listed = list_segments(folder)
                segments = compact(folder, listed) if self.tidy else [*listed]
                return read_newest(segments, wanted, self._not_before(), tidy=self.tidy)
            except SegmentVanishedError as vanished:
                missing = vanished
        raise RunError(f"cannot read {missing}: it is listed, but not there; delete it") from missing

    def _not_before(self) -> datetime | None:
        """Give the time of the oldest answer that counts."""
        return None if self.max_age_s is None else datetime.now(UTC) - timedelta(seconds=self.max_age_s)


def _by_bucket(keys: Collection[bytes]) -> dict[int, list[bytes]]:
    buckets: dict[int, list[bytes]] = {}
    for key in keys:
        buckets.setdefault(bucket_of(key), []).append(key)
    return dict(sorted(buckets.items()))
