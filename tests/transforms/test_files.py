"""Files under the output: any name works, and whatever fails is one RunError that names the path."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import (
    exists,
    file_errors,
    files_below,
    move,
    read_json,
    remove,
    write_json,
    writing,
)
from tests.helpers.waiting import wait_until

NAMES = ["out", "out[1]*", "out?", "out[!x]", "a b%20", "größe 脸", "{x},#$", "[", "]", "-"]


def write(path: str, content: bytes = b"x") -> None:
    """Write a file through the module."""
    with writing(path) as file:
        file.write(content)


def put(path: Path, content: bytes = b"x") -> Path:
    """Write a file through the module, and give its path."""
    write(str(path), content)
    return path


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    """A run record that is not JSON raises a RunError that names the file and calls it damaged."""
    path = put(tmp_path / "run.json", b"{")
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        read_json(str(path))


@pytest.fixture
def decoys(tmp_path: Path) -> list[Path]:
    """Create files that the tested folder's name would match if it were taken for a glob."""
    return [put(tmp_path / name / "deep/er/a") for name in ("out1", "out1x", "outx", "a")]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name(tmp_path: Path, decoys: list[Path], name: str) -> None:
    """In a folder of any name, files are written, seen, listed, moved and removed; others stay untouched."""
    folder = tmp_path / name
    one, two = put(folder / "deep/er/one", b"1"), put(folder / "two", b"2")
    assert files_below(str(folder)).keys() == {str(one), str(two)}
    assert files_below(str(folder / "deep")) == {str(one): (one.stat().st_size, one.stat().st_mtime)}
    move({str(one): str(folder / "new/er/one")})
    assert (exists(str(one)), (folder / "new/er/one").read_bytes()) == (False, b"1")
    write_json(str(folder / "a.json"), {"ü": [1, None]})
    assert read_json(str(folder / "a.json")) == {"ü": [1, None]}
    remove(str(folder))
    assert not folder.exists()
    assert all(decoy.exists() for decoy in decoys)


def test_what_is_not_there_is_no_error_to_remove_and_list(tmp_path: Path, decoys: list[Path]) -> None:
    """Removing or listing a missing folder does nothing, even if its name as a glob matches other folders."""
    for name in NAMES[:4]:
        remove(str(tmp_path / name))
        assert files_below(str(tmp_path / name)) == {}
        assert not exists(str(tmp_path / name))
    assert all(decoy.exists() for decoy in decoys)


def test_a_move_replaces(tmp_path: Path) -> None:
    """A move replaces the file at the target."""
    old, new = put(tmp_path / "old", b"old"), put(tmp_path / "new", b"new")
    move({str(new): str(old)})
    assert old.read_bytes() == b"new"
    assert not new.exists()


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    """`write_json` replaces the whole file, writes other types as text and leaves no unfinished file."""
    path = tmp_path / "runs/a.json"
    write_json(str(path), {"n": 1})
    write_json(str(path), {"path": tmp_path})
    assert read_json(str(path)) == {"path": str(tmp_path)}
    assert list(path.parent.iterdir()) == [path]


Work = Callable[[str], object]


BELOW_A_FILE: list[tuple[Work, str]] = [
    (write, "cannot write"),
    (lambda path: write_json(path, {}), "cannot write"),
    (read_json, "cannot read"),
    (lambda path: move({__file__: path}), "cannot publish"),
]


@pytest.mark.parametrize(("work", "said"), BELOW_A_FILE)
def test_a_file_in_the_way_is_a_run_error(tmp_path: Path, work: Work, said: str) -> None:
    """A file in the place of a folder raises a one-line RunError: action, path, reason and what to check."""
    path = str(put(tmp_path / "file") / "below")
    with pytest.raises(RunError, match=r"check free space and permissions there$") as caught:
        work(path)
    assert str(caught.value).startswith(f"{said} {path}")
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_a_run_error() -> None:
    """A full disk raises RunError with the system's reason, even if only closing the file reports it."""
    with pytest.raises(RunError, match=r"cannot write /dev/full: .*No space left on device"):
        put(Path("/dev/full"))


def test_a_file_that_is_gone_cannot_be_moved(tmp_path: Path) -> None:
    """Moving a missing file raises a RunError that names the target, and creates no file there."""
    with pytest.raises(RunError, match=f"cannot publish {tmp_path}/new"):
        move({str(tmp_path / "gone"): str(tmp_path / "new")})
    assert not (tmp_path / "new").exists()


def test_a_folder_is_removed_while_a_thread_writes_into_it(tmp_path: Path) -> None:
    """A run that is stopped at once deletes its staged files while its threads still open new ones."""
    folder, ended = tmp_path / "staged", Event()
    folder.mkdir()

    def fill() -> None:
        for number in count():
            if ended.is_set():
                return
            with suppress(FileNotFoundError):  # the folder is gone, and nobody makes it again
                (folder / str(number)).touch()

    filler = Thread(target=fill)
    filler.start()
    try:
        wait_until(lambda: len([*folder.iterdir()]) > 1_000)
        remove(str(folder))
    finally:
        ended.set()
        filler.join()
    assert not folder.exists()


@pytest.mark.parametrize("work", [exists, remove, files_below, write, read_json])
def test_a_file_system_that_is_not_installed_is_a_run_error(work: Work) -> None:
    """A path with an unknown scheme raises a RunError that names the path."""
    with pytest.raises(RunError, match="nobody://bucket/a"):
        work("nobody://bucket/a")


def test_local_paths_need_no_beam(tmp_path: Path) -> None:
    """Publishing, leases and the journal of local paths run without Beam, which takes a second to import."""
    code = """if True:
        import sys
        from facebeam.transforms.files.any_store import files_below, write_json
        from facebeam.transforms.journal.journal import Journal
        from facebeam.transforms.steps import leases, publish
        write_json(f"{sys.argv[1]}/a.json", {})
        assert len(files_below(sys.argv[1])) == 1
        sys.exit("apache_beam" in sys.modules)"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=root, check=False).returncode == 0


def test_other_errors_are_not_ours() -> None:
    """`file_errors` lets a programming error pass unchanged."""
    with pytest.raises(KeyError), file_errors("write", "out"):
        raise KeyError
