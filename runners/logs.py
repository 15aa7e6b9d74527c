"""What the process says while it works: lines for people, or one JSON object a line for machines."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

LOGGER: Final = logging.getLogger("facebeam")


class TextFormatter(logging.Formatter):
    """A record as a line for a person: progress with the time, an error as a command line tool says it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        if record.levelno >= logging.ERROR:
            return f"facebeam: {record.getMessage()}"
        return f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S} {record.getMessage()}"


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and the fields given by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(entry, default=str)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr as it is at the time: live progress takes its place, and prints lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


def set_up_logs(log_format: Literal["text", "json"], *, quiet: bool) -> None:
    """Send logs to stderr: ours from INFO (ERROR when quiet), everybody else's from ERROR.

    Beam's are left out, those too that it sends to the root logger: it logs each exception that it then
    raises.
    """
    handler = _StderrHandler(sys.stderr)
    handler.addFilter(lambda record: "apache_beam" not in record.pathname or record.levelno > logging.ERROR)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.ERROR, force=True)
    LOGGER.setLevel(logging.ERROR if quiet else logging.INFO)


@contextmanager
def spared_output() -> Iterator[None]:
    """Print to stdout in the block; where that fails, say so on stderr and go on without stdout."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, UnicodeError, SystemExit) as error:  # SystemExit: rich's answer to a closed pipe
        LOGGER.warning("the rest cannot be printed (%s)", type(error).__name__)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - what is left in the buffer goes there
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
