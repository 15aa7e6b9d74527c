"""A photograph that kills the process, as a fault in a library's native code does."""

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import copy
from threading import Event

from facebeam.schemas.values import FoundFaces, ImageRequest
from facebeam.transforms.files.any_store import files_below, write_mark
from facebeam.transforms.local_model.answer_image import answer_image
from facebeam.transforms.local_model.face_model import FaceModel
from facebeam.transforms.sources import local_source
from facebeam.transforms.sources.crash_notes import CrashNotes
from tests.helpers.console import ends, write_urls
from tests.helpers.waiting import DEADLINE_S
from tests.helpers.warm_process import Command, run_warm

MEETING_S = 1
"""How long the two images wait to be looked at side by side."""


def die_on(deadly: Path, neighbour: Path) -> None:
    """Have the process die of the one image, if possible while it looks at the other."""
    begun = {deadly.read_bytes(): Event(), neighbour.read_bytes(): Event()}

    def answer_or_die(model: FaceModel, data: bytes, request: ImageRequest) -> FoundFaces:
        if data in begun:
            begun[data].set()
            for event in begun.values():
                event.wait(MEETING_S)
        if data == deadly.read_bytes():
            os.kill(os.getpid(), signal.SIGSEGV)
        return answer_image(model, data, request)

    vars(local_source)["answer_image"] = answer_or_die


def test_an_image_that_fails_in_order_leaves_no_note(tmp_path: Path) -> None:
    """After a crash, images that cannot be decoded, and errors of any kind, are no suspects."""
    write_mark(f"{tmp_path}/shard=000-of-001/begun")
    with CrashNotes(str(tmp_path)).open() as notes, suppress(ValueError), notes.looking_at(b"key"):
        assert len(files_below(str(tmp_path))) == 2
        raise ValueError
    assert files_below(str(tmp_path)) == {}


def test_an_image_on_which_the_process_died_three_times_is_a_dead_letter(
    tmp_path: Path, photos: Path
) -> None:
    """Three nights die; the fourth commits, with the image as the only dead letter, and so does the fifth."""
    deadly, neighbour, third = (
        Path(copy(photos / name, tmp_path)) for name in ("coffee.png", "astronaut.png", "rocket.jpg")
    )
    manifest = write_urls(tmp_path / "urls.txt", [third, deadly, neighbour])
    flags = ["--manifest", str(manifest), "--allow-local-files", "--workers", "2", "--max-failure-share", "1"]
    command = ["annotate", *flags, "--output", str(tmp_path / "out")]

    def night() -> int:
        prepare = partial(die_on, deadly, neighbour)
        return run_warm(Command(command, dict(os.environ), prepare=prepare), DEADLINE_S).returncode

    assert [night() for _ in range(5)] == [-signal.SIGSEGV] * 3 + [0, 0]
    assert ends(tmp_path / "out") == {
        str(deadly): "worker_died",
        str(neighbour): "1 faces",
        str(third): "0 faces",
    }
    assert [path for path in (tmp_path / "out/responses/_crashes").rglob("*") if path.is_file()] == []
