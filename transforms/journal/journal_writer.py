"""Write results into the journal during a run, every few seconds."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from threading import Event, Lock, Thread
from typing import Final, Self

from facebeam.schemas.errors import RunError
from facebeam.schemas.request_key import bucket_of
from facebeam.schemas.values import Answer, Failure, ImageRequest
from facebeam.transforms.journal.compact import MOST_SMALL_SEGMENTS, compact, small_segments
from facebeam.transforms.journal.entries import Entry, encode_entries, is_kept
from facebeam.transforms.journal.segments import (
    REMOTE_AT_ONCE,
    Segment,
    SegmentVanishedError,
    bucket_folder,
    side_by_side,
    write_segment,
)

FLUSH_EVERY_S: Final = 4.0
"""facebeam promises five seconds; the difference is for the writing itself."""
FLUSH_AT: Final = 500
MERGE_AT: Final = 50
"""A writer with more small segments in a bucket merges them during the run, because readers open each one."""
MOST_WAITING: Final = 5_000
"""With so many results waiting the disk is too slow: the thread that adds another one must write it too."""


_OPEN: Final[set["JournalWriter"]] = set()


def flush_open_journals() -> None:
    """Write the waiting results of all journals of this process, which is about to end; ignore errors."""
    for writer in [*_OPEN]:
        with suppress(RunError):
            writer.flush()


class JournalWriter:
    """Takes results from many threads; its own thread writes them, every `flush_every_s` or 500 results.

    After a write has failed, every later call raises RunError, and so does the end of the context. Calls that
    were in flight when the run stopped may bring results after the end; these are written at once.

    Args:
        path: the journal's folder, on any file system.
        flush_every_s: longest time in seconds that a result waits until it is written.
        asked_by: the run, and the try of it, that sends the requests: `AskedBy.tag`.
        may_go_on: called after each regular write; once it returns False, the writer takes no more results.
            None: the writer never stops.
    """

    def __init__(
        self,
        path: str,
        flush_every_s: float = FLUSH_EVERY_S,
        asked_by: str | None = None,
        may_go_on: Callable[[], bool] | None = None,
    ) -> None:
        self._path = path
        self._asked_by = asked_by
        self._may_go_on = may_go_on
        self._flush_every_s = flush_every_s
        self._entries: list[Entry] = []
        self._segments: dict[str, dict[str, int]] = {}
        """Of each bucket's folder, what this writer wrote there: path -> size in bytes."""
        self._adding = Lock()
        self._writing = Lock()
        self._error: RunError | None = None
        self._due = Event()
        self._closed = Event()
        self._flusher = Thread(target=self._flush_regularly, name="journal", daemon=True)

    def __enter__(self) -> Self:
        self._flusher.start()
        _OPEN.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            self._merge(MOST_SMALL_SEGMENTS, len(self._segments))

    def record(self, key: bytes, request: ImageRequest, result: Answer | Failure) -> None:
        """Take a result, and ignore it if it is not to be stored (`is_kept`).

        Raises:
            RunError: an earlier result could not be written.
        """
        self._check()
        if not is_kept(result):
            return
        with self._adding:
            self._entries.append(Entry(key, request.image_url, result, datetime.now(UTC), self._asked_by))
            waiting = len(self._entries)
        if waiting >= FLUSH_AT:
            self._due.set()
        if waiting >= MOST_WAITING or self._closed.is_set():
            self.flush()

    def flush(self) -> None:
        """Write all results that were recorded so far, and return when they are in the journal.

        Raises:
            RunError: they cannot be written.
        """
        with self._writing:
            self._check()
            with self._adding:
                entries, self._entries = self._entries, []
            try:
                for folder, segment in _write(self._path, entries):
                    self._segments.setdefault(folder, {})[segment.path] = segment.size_bytes
            except RunError as error:
                self._error = error
                raise

    def close(self) -> None:
        """Write the remaining results; raises RunError if this or an earlier write failed."""
        self._closed.set()
        self._due.set()
        self._flusher.join()
        _OPEN.discard(self)
        self.flush()

    def _flush_regularly(self) -> None:
        with suppress(RunError):  # flush has stored it, and the next call raises it
            while not self._closed.is_set():
                self._due.wait(self._flush_every_s)
                self._due.clear()
                self.flush()
                self._merge(MERGE_AT, 1)  # one bucket per flush, because the next flush must not wait
                if self._may_go_on and not self._may_go_on():
                    self._error = RunError("another worker has taken over this shard, so this one stops")
                    return

    def _merge(self, above: int, most: int) -> None:
        """Merge this writer's segments, where a bucket has more than `above`; in `most` buckets at most."""
        with self._writing:
            small = {folder: small_segments(sizes) for folder, sizes in self._segments.items()}
        with side_by_side(self._path) as reads:
            for folder in [folder for folder, sizes in small.items() if len(sizes) > above][:most]:
                try:
                    left = compact(folder, small[folder], reads)
                except (RunError, SegmentVanishedError):  # a reader merges them too
                    left = {}
                with self._writing:  # another thread may have written segments meanwhile
                    written = self._segments[folder].items()
                    self._segments[folder] = left | {
                        path: size for path, size in written if path not in small[folder]
                    }

    def _check(self) -> None:
        if self._error is not None:
            raise RunError(str(self._error)) from self._error
        if not (self._flusher.is_alive() or self._closed.is_set()):
            raise RunError(f"the thread that writes the journal {self._path} has died; the log has its error")


def _write(path: str, entries: Iterable[Entry]) -> list[tuple[str, Segment]]:
    """Write one segment per bucket; give each with its folder. Raises RunError if one cannot be written."""
    by_bucket = sorted(entries, key=lambda entry: bucket_of(entry.key))
    buckets = groupby(by_bucket, key=lambda entry: bucket_of(entry.key))
    tables = {bucket_folder(path, bucket): encode_entries([*members]) for bucket, members in buckets}
    with side_by_side(path, REMOTE_AT_ONCE) as writes:
        return [*zip(tables, writes(lambda one: write_segment(*one), tables.items()), strict=True)]
