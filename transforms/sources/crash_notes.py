"""Find the image on which a worker died: a crash in native code leaves no exception, only a file.

A shard marks that it has begun, and removes the mark however it ends, unless its process dies. A shard that
finds such a mark notes each image while it looks at it, so that the next crash leaves the image's note.
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
"""Crashes of which an image has left a note; the crash before them set the mark, so it is the third."""
_MARK: Final = "begun"


@dataclass(frozen=True)
class CrashNotes:
    """A folder of marks and notes, shared by all runs with one journal; a description that can be pickled.

    Args:
        folder: on any file system; below it, each shard has its own folder.
        shard: the shard's number among `shards`.
        shards: all shards of the run.
    """

    folder: str
    shard: int = 0
    shards: int = 1

    def for_shard(self, shard: int, shards: int) -> Self:
        """Give a shard's own notes: it is careful only where it has died itself."""
        return replace(self, shard=shard, shards=shards)

    @contextmanager
    def open(self) -> Iterator["OpenCrashNotes"]:
        """Read what earlier crashes have left, and mark that the shard has begun.

        Notes are deleted when the shard ends well: each of their images has a result then.
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
        folder: the shard's.
        crashes: in how many crashes an image was being looked at, by the hex digits of its key.
        is_careful: whether the shard has died before.
    """

    folder: str
    crashes: Counter[str]
    is_careful: bool

    def is_suspect(self, key: bytes) -> bool:
        """Tell whether a worker died while it looked at this image, perhaps beside others."""
        return self.crashes[key.hex()] > 0

    @contextmanager
    def looking_at(self, key: bytes) -> Iterator[None]:
        """Note the image while the block looks at it, where the shard has died before.

        Raises:
            FailureError: `worker_died`; the image has been there in too many crashes to try it again.
        """
        crashes = self.crashes[key.hex()]
        if crashes >= MOST_NOTES:
            raise FailureError(
                Failure(
                    ErrorCode.WORKER_DIED,
                    f"the process died {crashes + 1} times, at least {crashes} of them on this image: please "
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
        finally:  # an image that fails in order has killed nothing
            remove_files([note])


NO_NOTES: Final = OpenCrashNotes("", Counter(), is_careful=False)
"""Of a source without a place for notes."""
