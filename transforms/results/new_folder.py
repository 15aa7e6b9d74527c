"""Write a new folder: whole or not there, and never over an existing one."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import exists, files_below, has_folders, move, remove


@contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Give a folder to write into, which is at `path` when the block ends.

    On an object store, which cannot rename folders, it is at `path` from the start. If the block fails,
    everything in it is removed.

    Raises:
        RunError: something is at `path` already.
    """
    path = path.rstrip("/") or path
    if exists(path) or files_below(path):
        raise RunError(
            f"{path} exists already. An export never changes a folder: name a new one, or delete it"
        )
    under = f"{path}.unfinished-{uuid4().hex[:8]}" if has_folders(path) else path
    try:
        yield under
        if under != path:
            move({under: path})
    except BaseException:
        remove(under)
        raise
