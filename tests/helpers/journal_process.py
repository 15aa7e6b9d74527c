"""What the journal's tests run elsewhere: `-m tests.helpers.journal_process COMMAND JOURNAL [NUMBER]`.

A process that has to die at a certain point kills itself there, by an audit hook: Python announces each
opening, renaming and deleting of a file before it is done.
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

from schemas.errors import RunError
from tests.helpers.journal_entries import REQUEST, answer, key_of
from tests.helpers.processes import running
from transforms.journal.journal import Journal, JournalWriter


@contextmanager
def journal_process(command: str, *arguments: object) -> Iterator[Popen[str]]:
    """Start one of these commands; it is killed at the end."""
    line = [sys.executable, "-m", "tests.helpers.journal_process", command, *arguments]
    with running(line, cwd=Path(__file__).parents[2], stdout=PIPE) as process:
        yield process


def die_at(path: str, number: int) -> None:
    """Let the process be killed just before its n-th change of a file below a path."""
    changes = count(1)

    def look(event: str, arguments: tuple[object, ...]) -> None:
        is_change = event in {"os.rename", "os.remove"} or (event == "open" and arguments[1] == "w")
        if is_change and str(arguments[0]).startswith(path) and next(changes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def record_and_wait(path: str) -> None:
    """Record a hundred answers and leave the rest to the journal's own thread."""
    with Journal(path).open(flush_every_s=0.1) as writer:
        for number in range(100):
            writer.record(key_of(number), REQUEST, answer(number))
        sleep(600)


def record_endlessly(path: str) -> None:
    """Tell after each flush how many answers are in the journal."""
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
    """Look one key up, which compacts its bucket, and die at the n-th change of a file."""
    die_at(path, dies_at)
    list(Journal(path).stored([key_of(0, bucket=0)]))


def look_up_on_full_disk(path: str) -> None:
    """Look one key up where no file can grow."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    list(Journal(path).stored([key_of(0, bucket=0)]))


def die_while_writing(path: str) -> None:
    """Be killed by the system in the middle of writing a segment."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    with Journal(path).open() as writer:
        writer.record(key_of(0), REQUEST, answer())
        writer.flush()


def record_on_full_disk(path: str) -> None:
    """Tell what recording and flushing say after a write in the background failed, then close."""
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
