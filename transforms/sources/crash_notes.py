"""Find the image that kills a worker: a crash in native code raises no exception, so a file names the image.

A shard writes a mark when it begins, and removes it when it ends, also after an error. If its process dies,
the mark stays. A shard that finds a mark writes a note for each image while it processes the image, so that
the next crash leaves the note of the image that was being processed.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Self
from uuid import uuid4

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.files.any_store import files_below, remove_files, write_mark

MOST_NOTES: Final = 2
"""After this many crashes with a note of an image, the image fails.

The crash before them left only the mark, so the image fails after the third crash.
"""
_MARK: Final = "begun"


@dataclass(frozen=True)
class CrashNotes:
    """A folder of marks and notes, which all runs with one journal share; this description can be pickled.

    Args:
        folder: path on any file system; each shard has its own folder below it.
        shard: number of the shard, from 0.
        shards: number of shards in the run.
    """

    folder: str
    shard: int = 0
    shards: int = 1

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give the notes of one shard: only a shard that has died itself writes notes."""
        return replace(self, shard=shard, shards=shards)

    @contextmanager
    def open(self) -> Iterator["OpenCrashNotes"]:
        """Read the mark and the notes that earlier crashes have left, and mark that the shard has begun.

        These notes are deleted when the shard ends without an error: each of their images has a result then.
        """
        folder = f"{self.folder}/shard={self.shard:03d}-of-{self.shards:03d}"
        mark = f"{folder}/{_MARK}"
        left = files_below(folder)
        notes = [path for path in left if path != mark]
        images = Counter(path.split("/")[-2] for path in notes)
        write_mark(mark)
        try:
            yield OpenCrashNotes(folder, images, is_careful=bool(left))
            remove_files(notes)
        finally:
            remove_files([mark])


@dataclass(frozen=True)
class OpenCrashNotes:
    """The notes that a shard found when it began.

    Args:
        folder: path of the shard's folder.
        crashes: hex digits of an image's key -> number of crashes while this image was being processed.
        is_careful: whether the shard has died before, so that it writes notes.
    """

    folder: str
    crashes: Counter[str]
    is_careful: bool

    def is_suspect(self, key: bytes) -> bool:
        """Tell whether a worker died while it processed this image, perhaps together with others."""
        return self.crashes[key.hex()] > 0

    @contextmanager
    def looking_at(self, key: bytes) -> Iterator[None]:
        """Write a note for the image while the block processes it, if the shard has died before.

        Raises:
            FailureError: `worker_died`: too many crashes have left a note of this image.
        """
        crashes = self.crashes[key.hex()]
        if crashes >= MOST_NOTES:
            raise FailureError(
                Failure(
                    ErrorCode.WORKER_DIED,
                    f"the process died {crashes + 1} times, at least {crashes} times on this image: please "
                    "report it, with the image if you can; --ask-again worker_died tries it once more",
                    stage="decode",
                )
            )
        if not self.is_careful:
            yield
            return
        note = f"{self.folder}/{key.hex()}/{uuid4().hex}"
        write_mark(note)
        try:
            yield
        finally:  # also after an error: only a crash leaves the note
            remove_files([note])


NO_NOTES: Final = OpenCrashNotes("", Counter(), is_careful=False)
"""For a source without a folder for notes."""
