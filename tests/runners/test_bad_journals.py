"""Journals of paid calls that are full, read-only or too new: no stored answer is paid for twice."""

from pathlib import Path

import pytest

from facebeam.schemas.request_key import BUCKETS
from tests.helpers.api_console import UNPACED, annotate_by_api, environment, images
from tests.helpers.console import FACEBEAM, journaled, table, visible, write_urls
from tests.helpers.journal_entries import write_newer
from tests.helpers.mounts import in_own_mounts, mount_tmpfs
from tests.helpers.paid_service import FaultyServer

URLS = images(300)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of three hundred images, and create the folder of the run's journal."""
    (tmp_path / "out" / "responses").mkdir(parents=True)
    return write_urls(tmp_path / "photos.txt", URLS)


def command(server: FaultyServer, manifest: Path, output: Path) -> str:
    """Give the shell command of a run."""
    flags = f"--source api --rate unlimited --base-url {server.base_url}"
    return f"{FACEBEAM} annotate --manifest {manifest} --output {output} {flags}"


def test_a_full_disk_ends_the_run_and_what_was_kept_is_not_paid_for_again(manifest: Path) -> None:
    """A full disk ends the run with exit 1 and an error that names the path.

    The next run, with enough space, asks only for images whose answers are not stored.
    """
    output, kept = manifest.with_name("out"), manifest.with_name("kept")
    journal = output / "responses"
    with FaultyServer() as server:
        run = command(server, manifest, output)
        mount = mount_tmpfs(journal, "size=400k")
        full = in_own_mounts(f"{mount}; {run}; code=$?; cp -r {output} {kept}; exit $code", environment())
        assert full.returncode == 1, full.stderr
        assert f"is not committed: cannot write {journal}/bucket=" in full.stderr
        assert "No space left on device" in full.stderr
        assert visible(output) == []
        answered, before = journaled(kept), dict(server.calls_by_url)
        assert 0 < len(answered) < len(URLS)
        again = annotate_by_api(server.base_url, manifest, output, *UNPACED, "--journal", kept / "responses")
        assert again.returncode == 0, again.stderr
        assert {server.calls_by_url[url] - before[url] for url in answered} == {0}
    assert len(table(output, "images")) == len(URLS)


def test_a_read_only_journal_is_told_before_a_call(manifest: Path) -> None:
    """A run with a read-only journal exits with 2 before any call, and names the path and --journal."""
    output = manifest.with_name("out")
    with FaultyServer() as server:
        mount = mount_tmpfs(output / "responses", "ro")
        finished = in_own_mounts(f"{mount}; {command(server, manifest, output)}", environment())
        assert server.calls == 0
    assert finished.returncode == 2
    assert f"cannot write {output}/responses/" in finished.stderr
    assert "Read-only file system" in finished.stderr
    assert "or keep the journal elsewhere with --journal" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_journal_of_a_newer_version_is_not_paid_over(manifest: Path) -> None:
    """A run with a newer journal exits with 1 before any call, because the journal may hold paid answers.

    The error names the file and the cure.
    """
    output = manifest.with_name("out")
    for bucket in range(BUCKETS):
        write_newer(output / "responses" / f"bucket={bucket:03}" / "new.parquet")
    with FaultyServer() as server:
        finished = annotate_by_api(server.base_url, manifest, output, *UNPACED)
        assert server.calls == 0
    assert finished.returncode == 1
    assert "new.parquet was written by a newer facebeam" in finished.stderr
    assert "upgrade" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert visible(output) == []
