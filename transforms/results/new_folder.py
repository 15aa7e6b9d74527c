"""Write a new folder, which is complete or absent at the end, and never replace an existing one."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import exists, files_below, has_folders, move, remove


@contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Give a temporary folder to write into, and rename it to `path` at the end of the block.

    An object store cannot rename folders, so the folder is at `path` from the start. If the block fails,
    the folder is deleted with everything in it.

    Raises:
        RunError: `path` exists already.
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
