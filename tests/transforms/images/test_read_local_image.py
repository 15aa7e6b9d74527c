"""Files of this machine, including strange ones."""

import os
from pathlib import Path

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.images.read_image_file import read_local_image


def code_of(url: str, max_bytes: int = 100) -> ErrorCode:
    """Read a file that must fail, and give the error code."""
    with pytest.raises(FailureError) as caught:
        read_local_image(url, max_bytes)
    assert caught.value.failure.stage == "fetch"
    return caught.value.failure.code


@pytest.mark.parametrize("name", ["a.jpg", "a photo.jpg", "ü 100%.jpg", "what?#.jpg"])
def test_reads_a_file_by_path_and_by_url(tmp_path: Path, name: str) -> None:
    """The plain path and the file's URL, with or without `localhost`, give the same bytes."""
    file = tmp_path / name
    file.write_bytes(b"image")
    assert read_local_image(str(file), 100) == b"image"
    assert read_local_image(file.as_uri(), 100) == b"image"
    assert read_local_image(file.as_uri().replace("file://", "FILE://LocalHost"), 100) == b"image"


def test_reads_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    """A percent-encoded name may contain any byte."""
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))).write_bytes(b"image")
    assert read_local_image(f"{tmp_path.as_uri()}/%FF.jpg", 100) == b"image"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    """A missing file gives `not_found`, also if a folder in its path is a file."""
    (tmp_path / "a.jpg").touch()
    assert code_of(str(tmp_path / "b.jpg")) is ErrorCode.NOT_FOUND
    assert code_of(str(tmp_path / "a.jpg" / "b.jpg")) is ErrorCode.NOT_FOUND


def test_what_is_no_readable_file_is_unreadable(tmp_path: Path) -> None:
    """Anything but a readable file gives `file_unreadable`; the reader does not wait for pipes or devices."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("", "pipe", "loop", "x" * 300, "nul\x00", "\ud800"):
        assert code_of(str(tmp_path / name)) is ErrorCode.FILE_UNREADABLE, name
    assert code_of("/dev/zero") is ErrorCode.FILE_UNREADABLE
    assert code_of("file://other-host/a.jpg") is ErrorCode.FILE_UNREADABLE
    assert code_of("file:///a%00.jpg") is ErrorCode.FILE_UNREADABLE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_unreadable(tmp_path: Path) -> None:
    """A file without read permission gives `file_unreadable`."""
    (tmp_path / "a.jpg").touch(mode=0)
    assert code_of(str(tmp_path / "a.jpg")) is ErrorCode.FILE_UNREADABLE


def test_a_file_over_the_cap_is_too_large(tmp_path: Path) -> None:
    """A file of the limit's size is read; a larger one, even a sparse terabyte, is refused and not read."""
    file = tmp_path / "a.jpg"
    file.write_bytes(bytes(100))
    assert len(read_local_image(str(file), 100)) == 100
    for size in (101, 2**40):
        os.truncate(file, size)
        assert code_of(str(file)) is ErrorCode.IMAGE_TOO_LARGE
