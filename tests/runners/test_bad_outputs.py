"""Outputs that are full, not writable or hold foreign files: a clear error, and no half run is visible."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.console import FACEBEAM, rehearse, run_json, staged, table, visible, write_urls
from tests.helpers.mounts import in_own_mounts, mount_tmpfs


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of a few hundred images."""
    urls = [f"https://example.com/{number}.jpg" for number in range(300)]
    return write_urls(tmp_path / "photos.txt", urls)


def test_a_file_where_the_output_should_be(manifest: Path) -> None:
    """An output below a file is an error with path, reason and cure, even for root; the file is unchanged."""
    blocker = manifest.with_name("file")
    blocker.write_text("precious")
    finished = rehearse(manifest, blocker / "out")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert f"cannot write {blocker}/out/_runs/" in finished.stderr
    assert "Not a directory; choose an --output that you may write" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert blocker.read_text() == "precious"


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        ("faces/old.parquet", "is not from facebeam, and readers of"),
        ("images/2024/a.parquet", "is not from facebeam, and readers of"),
        ("dead_letters/notes.txt", "is not from facebeam, and readers of"),
        ("faces", "is a file, but must be a folder of runs"),
        ("_staging", "is a file, but must be a folder of runs"),
    ],
)
def test_what_is_not_ours_is_left_alone(manifest: Path, foreign: str, said: str) -> None:
    """A foreign file in the folders of runs ends a run with exit 2 and a cure before it writes anything."""
    output = manifest.with_name("out")
    path = output / foreign
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    finished = rehearse(manifest, output)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert "choose another --output" in finished.stderr
    assert [each for each in output.rglob("*") if each.is_file()] == [path]


def test_other_files_beside_the_tables_do_no_harm(manifest: Path) -> None:
    """Other files beside the tables do not prevent a run, and the run does not change them."""
    output = manifest.with_name("out")
    output.mkdir()
    names = ("README.txt", "faces/.DS_Store", "_staging/.DS_Store", "images/_log")
    others = [output / name for name in names]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
    assert rehearse(manifest, output, "--run-id", "one").returncode == 0
    assert run_json(output, "one")["counts"]["rows_read"] == 300
    assert len(table(output, "images")) == 300
    assert [path.read_text() for path in others] == ["precious"] * len(others)


@pytest.mark.parametrize(("kilobytes", "code"), [(0, 2), (20, 1), (64, 1)])
def test_a_full_disk_publishes_nothing(manifest: Path, kilobytes: int, code: int) -> None:
    """A full disk is an error with path and cause, and the run leaves only the answers in its journal.

    If the disk is full before the run begins, the exit code is 2, as for a mistake in the command.
    """
    output = manifest.with_name("out")
    output.mkdir()
    mount = mount_tmpfs(output, f"size={kilobytes or 4}k")
    fill = f"head -c 4096 /dev/zero > {output}/full" if not kilobytes else "true"
    run = f"{FACEBEAM} annotate --manifest {manifest} --source fake --run-id one --output {output}"
    left = manifest.with_name("left")
    list_files = f"find {output} -type f -size +0 >&3"
    finished = in_own_mounts(f"exec 3>{left}; {mount}; {fill}; {run}; code=$?; {list_files}; exit $code")
    assert finished.returncode == code, finished.stderr
    told = "run one is not committed: " if code == 1 else ""
    assert f"facebeam: {told}cannot " in finished.stderr
    assert "No space left on device" in finished.stderr
    assert "check free space and permissions there" in finished.stderr
    assert "Traceback" not in finished.stderr
    lines = left.read_text().splitlines()
    lines = [line for line in lines if not line.endswith(("/full", "/first_try.json"))]
    assert [line for line in lines if "/responses/" not in line] == []


def test_a_limit_on_file_sizes_publishes_nothing(manifest: Path) -> None:
    """If files above 4 kB fail, the run exits with 1 and says where and why; no file is visible or staged."""
    output = manifest.with_name("out")
    limited = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    flags = ["annotate", "--manifest", str(manifest), "--output", str(output), "--source", "fake"]
    command = [sys.executable, "-c", limited, FACEBEAM, *flags, "--run-id", "one"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1, finished.stderr
    assert f"not committed: cannot write {output}/" in finished.stderr
    assert "File too large" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert (visible(output), staged(output)) == ([], [])


def test_a_file_system_that_is_not_installed(manifest: Path) -> None:
    """An output on an unknown file system is an error that names it, and creates no local folder."""
    finished = rehearse(manifest, Path("nobody:"), "--output", "nobody://bucket/out")
    assert finished.returncode == 2, finished.stderr
    assert "nobody://bucket/out" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not Path("nobody:").exists()


@pytest.mark.parametrize(
    ("flags", "folder", "file"), [((), 0o700, 0o600), (("--umask", "027"), 0o750, 0o640)]
)
def test_what_a_run_writes_is_its_owners(
    manifest: Path, flags: tuple[str, ...], folder: int, file: int
) -> None:
    """Nobody else may read the output, which is biometric data, unless --umask lets them."""
    output = manifest.with_name("out")
    finished = rehearse(manifest, output, *flags)
    assert finished.returncode == 0, finished.stderr
    found = [output, *output.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {folder}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {file}
