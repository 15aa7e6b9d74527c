"""The journal: stored answers by the key of their request, shared by all runs."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa

from facebeam.schemas.errors import RunError
from facebeam.schemas.request_key import bucket_of
from facebeam.schemas.values import Answer, Failure
from facebeam.transforms.files.any_store import check_writable
from facebeam.transforms.journal.compact import compact
from facebeam.transforms.journal.entries import decode_entries
from facebeam.transforms.journal.journal_writer import FLUSH_EVERY_S, JournalWriter
from facebeam.transforms.journal.look_up import look_up
from facebeam.transforms.journal.segments import (
    SegmentVanishedError,
    SideBySide,
    at_once,
    bucket_folder,
    list_segments,
    side_by_side,
)
from facebeam.transforms.steps.thread_window import thread_window

__all__ = ["Journal", "JournalWriter"]

_MOST_LISTINGS = 100


@dataclass(frozen=True)
class Journal:
    """A journal; this description of it can be pickled.

    Its purpose: no image is paid for twice.

    Args:
        path: a folder on any file system; it need not exist yet.
        max_age_s: age in seconds; older answers do not count. None: no limit.
        tidy: whether reading also merges small segments and renames damaged ones.
    """

    path: str
    max_age_s: float | None = None
    tidy: bool = True

    def stored(self, keys: Collection[bytes]) -> Iterator[tuple[bytes, Answer | Failure]]:
        """Yield each key that has an entry, with its newest result: an answer, or a failure that is final.

        The results are marked as not sent by this run: `from_journal`, or `was_sent` False. The entries of
        two buckets are in memory at a time (of a remote journal: of 16). If the journal is `tidy`, this also
        merges small segments where there are many.

        Raises:
            RunError: the journal cannot be read, or a newer facebeam wrote into it.
        """
        window = max(2, at_once(self.path))  # the next bucket is read while the caller uses this one
        with side_by_side(self.path) as reads, ThreadPoolExecutor(window, "journal") as pool:
            read = partial(self._read, reads)
            for _, entries in thread_window(pool, lambda: window, read, _by_bucket(keys).items()):
                yield from decode_entries(entries)

    def open(
        self,
        flush_every_s: float = FLUSH_EVERY_S,
        asked_by: str | None = None,
        may_go_on: Callable[[], bool] | None = None,
    ) -> JournalWriter:
        """Give a writer. It is a context manager, which writes all recorded results when it ends."""
        return JournalWriter(self.path, flush_every_s, asked_by, may_go_on)

    def check_writable(self) -> None:
        """Check that the journal can be written, with a file that is deleted again; this makes its folder.

        Raises:
            RunError: the journal cannot be written.
        """
        try:
            check_writable(self.path)
        except RunError as error:
            raise RunError(f"{error}, or keep the journal elsewhere with --journal") from error

    def _read(self, reads: SideBySide, bucket: tuple[int, Collection[bytes]]) -> pa.Table:
        """Read the newest entries of a bucket; start again if another process merges it at the same time."""
        number, keys = bucket
        folder = bucket_folder(self.path, number)
        for _ in range(_MOST_LISTINGS):
            try:
                sizes = list_segments(folder)
                left = compact(folder, sizes, reads) if self.tidy else sizes
                return look_up(left, keys, self._oldest(), reads, tidy=self.tidy)
            except SegmentVanishedError as vanished:
                missing = vanished
        raise RunError(
            f"cannot read {missing}: its folder lists it, but it cannot be opened; delete it"
        ) from missing

    def _oldest(self) -> datetime | None:
        """Give the time before which answers do not count; None: all count."""
        return None if self.max_age_s is None else datetime.now(UTC) - timedelta(seconds=self.max_age_s)


def _by_bucket(keys: Collection[bytes]) -> dict[int, list[bytes]]:
    buckets: dict[int, list[bytes]] = {}
    for key in keys:
        buckets.setdefault(bucket_of(key), []).append(key)
    return dict(sorted(buckets.items()))
