"""Write log messages: lines for people, or one JSON object per line for machines."""

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
    """Formats a record as a line for people: progress with the time, an error as `facebeam: <message>`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        if record.levelno >= logging.ERROR:
            return f"facebeam: {record.getMessage()}"
        return f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%S} {record.getMessage()}"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, logger, message, and the fields given by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
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
    """Send logs to stderr: those of facebeam from INFO (if quiet, from ERROR), those of libraries from ERROR.

    Messages of Beam are left out up to ERROR, also those of the root logger: Beam logs each exception that it
    then raises.
    """
    handler = _StderrHandler(sys.stderr)
    handler.addFilter(lambda record: "apache_beam" not in record.pathname or record.levelno > logging.ERROR)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.ERROR, force=True)
    LOGGER.setLevel(logging.ERROR if quiet else logging.INFO)


@contextmanager
def spared_output() -> Iterator[None]:
    """Print to stdout in the block; if that fails, log a warning and continue without stdout."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, UnicodeError, SystemExit) as error:  # SystemExit: rich raises it for a closed pipe
        LOGGER.warning(
            "not everything could be printed to stdout (%s); the work itself is done", type(error).__name__
        )
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - for the rest of the buffer
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
