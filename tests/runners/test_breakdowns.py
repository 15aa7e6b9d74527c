"""Runs that break down at random places: killed, or with a failing rename, a failing sync or a full disk.

`FACEBEAM_TRIALS=100 python -m pytest tests/runners/test_breakdowns.py` tries a hundred of them.
"""

import errno
import os
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from facebeam.transforms.files import any_store
from tests.helpers.api_console import UNPACED, environment, images
from tests.helpers.console import TABLES, table, write_urls
from tests.helpers.paid_service import FaultyServer
from tests.helpers.waiting import DEADLINE_S
from tests.helpers.warm_process import Command, run_warm

TRIALS = int(os.environ.get("FACEBEAM_TRIALS", "12"))
ROWS = 40
WINDOW = 4
_CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}


@dataclass(frozen=True)
class Breakdown:
    """What goes wrong: `how` at the n-th change of a file below the output, counted from 1."""

    how: str
    number: int
    output: str

    def prepare(self) -> None:
        """Have it go wrong in this process."""
        changes = count(1)
        if self.how == "sync":
            os.fsync = partial(self._sync, count(1), os.fsync)
            return

        def look(event: str, arguments: tuple[object, ...]) -> None:
            is_change = event in _CHANGES or (event == "open" and "w" in str(arguments[1]))
            if is_change and str(arguments[0]).startswith(self.output) and next(changes) == self.number:
                self._break()

        sys.addaudithook(look)

    def _break(self) -> None:
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = errno.ENOSPC if self.how == "full" else errno.EIO
        raise OSError(code, os.strerror(code))

    def _sync(self, calls: "count[int]", fsync: object, descriptor: int) -> None:
        if next(calls) == self.number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        assert callable(fsync)
        fsync(descriptor)


def breakdown_of(seed: int, output: Path) -> Breakdown:
    """Draw a breakdown; a run of this size changes some sixty files."""
    drawn = random.Random(seed)
    return Breakdown(
        drawn.choice(["kill", "kill", "rename", "full", "sync"]), drawn.randint(1, 70), str(output)
    )


def seen_by_readers(output: Path) -> dict[str, Counter[str]]:
    """Count the rows of each run that is committed, by image, as readers do."""
    committed = [path.parent.name for path in (output / "_runs").glob("*/_SUCCESS")]
    rows = {
        run: [*table(output, "images", run)["image_url"], *table(output, "dead_letters", run)["image_url"]]
        for run in committed
    }
    return {run: Counter(urls) for run, urls in rows.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_run_that_breaks_down_is_made_good(tmp_path: Path, seed: int) -> None:
    """After any breakdown the next runs commit every row once; what is paid twice was in flight."""
    output, urls = tmp_path / "out", images(ROWS)
    manifest = write_urls(tmp_path / "urls.txt", urls)
    whole = Counter(urls)
    with FaultyServer() as server:
        api = ["annotate", "--source", "api", "--base-url", server.base_url, "--manifest", str(manifest)]
        flags = [*api, "--output", str(output), *map(str, UNPACED), "--window", str(WINDOW), "--run-id"]
        broken = breakdown_of(seed, output)
        first = run_warm(Command([*flags, "one"], environment(), prepare=broken.prepare), DEADLINE_S)
        assert all(rows == whole for rows in seen_by_readers(output).values()), broken
        assert first.returncode != 0 or seen_by_readers(output) == {"one": whole}, broken
        for run_id in random.Random(seed).sample(["one", "two"], 2):
            done = run_warm(Command([*flags, run_id], environment()), DEADLINE_S)
            assert done.returncode == 0, (broken, run_id, done.stderr)
        assert server.counts()["repeated"] <= ROWS  # the answers of five seconds, and what was in flight
    assert seen_by_readers(output) == {"one": whole, "two": whole}, broken
    for name in TABLES:
        assert set(table(output, name)["run"]) <= {"one", "two"}
    assert not [path for path in (output / "_staging").glob("*/**/*") if path.is_file()], broken
    assert any_store.files_below(str(output / "_staging")) == {}
