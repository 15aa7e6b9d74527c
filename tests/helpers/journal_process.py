"""Commands of the journal's tests: `python -m tests.helpers.journal_process COMMAND JOURNAL [NUMBER]`.

A process that must die at a certain point kills itself there in an audit hook, which Python calls before it
opens, renames or deletes a file.
"""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen
from time import sleep

from facebeam.schemas.errors import RunError
from facebeam.transforms.journal.journal import Journal, JournalWriter
from tests.helpers.journal_entries import REQUEST, answer, key_of
from tests.helpers.processes import running


@contextmanager
def journal_process(command: str, *arguments: object) -> Iterator[Popen[str]]:
    """Start one of these commands in a new process; kill it at the end."""
    line = [sys.executable, "-m", "tests.helpers.journal_process", command, *arguments]
    # A pipe for errors too: pytest catches them in a file, which could not grow in a process on a full disk.
    with running(line, cwd=Path(__file__).parents[2], stdout=PIPE, stderr=PIPE) as process:
        yield process


def die_at(path: str, number: int) -> None:
    """Make this process kill itself just before its n-th change of a file below a path."""
    changes = count(1)

    def look(event: str, arguments: tuple[object, ...]) -> None:
        is_change = event in {"os.rename", "os.remove"} or (event == "open" and arguments[1] == "w")
        if is_change and str(arguments[0]).startswith(path) and next(changes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def record_and_wait(path: str) -> None:
    """Record a hundred answers, then wait; the journal's own thread writes them."""
    with Journal(path).open(flush_every_s=0.1) as writer:
        for number in range(100):
            writer.record(key_of(number), REQUEST, answer(number))
        sleep(600)


def record_endlessly(path: str) -> None:
    """Record answers without end; after each flush, print how many the journal has."""
    with Journal(path).open(flush_every_s=0.01) as writer:
        for number in count(1):
            writer.record(key_of(number, bucket=number % 2), REQUEST, answer(number))
            if number % 20 == 0:
                writer.flush()
                print(number, flush=True)  # noqa: T201 - the parent reads it


def record_some(path: str, first: int) -> None:
    """Record a thousand answers, all in one bucket."""
    with Journal(path).open(flush_every_s=0.01) as writer:
        for number in range(first, first + 1000):
            writer.record(key_of(number, bucket=0), REQUEST, answer(number))


def look_up(path: str, dies_at: int) -> None:
    """Look one key up, which compacts its bucket, and die just before the n-th change of a file."""
    die_at(path, dies_at)
    list(Journal(path).stored([key_of(0, bucket=0)]))


def look_up_on_full_disk(path: str) -> None:
    """Look one key up while no file can grow."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    list(Journal(path).stored([key_of(0, bucket=0)]))


def die_while_writing(path: str) -> None:
    """Write a segment until the system kills this process in the middle of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    with Journal(path).open() as writer:
        writer.record(key_of(0), REQUEST, answer())
        writer.flush()


def record_on_full_disk(path: str) -> None:
    """Print the errors of `record` and `flush` after a background write has failed, then close."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    writer = Journal(path).open(flush_every_s=0.01)
    with writer:
        writer.record(key_of(0), REQUEST, answer())
        while _complaint(writer, 1) is None:
            sleep(0.01)
        for complaint in (_complaint(writer, 2), _complaint(writer, None)):
            print(complaint, flush=True)  # noqa: T201 - the parent reads it


def _complaint(writer: JournalWriter, number: int | None) -> str | None:
    try:
        writer.flush() if number is None else writer.record(key_of(number), REQUEST, answer())
    except RunError as error:
        return str(error)
    return None


if __name__ == "__main__":
    command, journal, *numbers = sys.argv[1:]
    globals()[command](journal, *map(int, numbers))
