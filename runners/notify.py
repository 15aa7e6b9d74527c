"""Post the summary of a run that has ended to a URL, as JSON. A failed post does not change the run."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from facebeam.runners.exit_codes import WRONG_SETUP
from facebeam.runners.logs import LOGGER
from facebeam.runners.summary import summary_fields
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.values import FailureError
from facebeam.transforms.files.any_store import exists
from facebeam.transforms.http.addresses import any_address
from facebeam.transforms.http.errors import FOREIGN
from facebeam.transforms.http.session import http_session
from facebeam.transforms.steps.publish import is_committed, read_record

_TIMEOUT_S: Final = (10.0, 20.0)
"""Time limits in seconds: to connect, and between two bytes of the answer."""
_TRIES: Final = 3
_USUAL_PAUSES: Final = wait_exponential(multiplier=1, max=10)


class _LastError(logging.Handler):
    """Stores the last logged error, which explains why a run failed or what is missing in it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Store the message of one log record."""
        self.text = record.getMessage()


def told_at_the_end(url: str | None, layout: Layout, act: Callable[[], int]) -> int:
    """Execute a run, and post how it ended; nothing is posted while its job is still running on a cluster.

    Args:
        url: the URL to post to. None: post nothing.
        layout: paths of the run's files.
        act: executes the run and gives its exit code.

    Returns:
        The exit code of `act`.

    Raises:
        RunError: as `act`.
    """
    if url is None:
        return act()
    heard = _LastError()
    LOGGER.addHandler(heard)
    try:
        exit_code = act()
    except RunError as error:
        _tell(url, layout, WRONG_SETUP, str(error))
        raise
    finally:
        LOGGER.removeHandler(heard)
    _tell(url, layout, exit_code, heard.text)
    return exit_code


def _ending(layout: Layout, exit_code: int, error: str | None) -> dict[str, object]:
    """Give the object to post; chat services show its `text`."""
    told: dict[str, object] = {"exit_code": exit_code, "error": error}
    with suppress(RunError):
        if is_committed(layout):
            record = read_record(layout)
            counts = record.counts
            text = (
                f"facebeam: run {layout.run_id} is committed: {counts.rows_read:,} rows, {counts.ok:,} ok, "
                f"{counts.no_face:,} no face, {counts.dead_total:,} dead letters, {counts.faces:,} faces"
            )
            return {"text": f"{text}. {error}" if error else text, **summary_fields(layout, record), **told}
    text = f"facebeam: {error or f'run {layout.run_id} ended with exit code {exit_code}'}"
    return {"text": text, "event": "failed", "run_id": layout.run_id, "output": layout.output, **told}


class _MayPassError(Exception):
    """A failure that a retry may solve."""


def _tell(url: str, layout: Layout, exit_code: int, error: str | None) -> None:
    """Post how the run ended, unless its job is still running; log a warning if that fails."""
    ending = _ending(layout, exit_code, error)
    with suppress(RunError):
        if ending["event"] != "committed" and exists(layout.job):  # it is deleted when the job is over
            return
    place = f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"  # the rest of a chat's URL is a secret
    tries = Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=_USUAL_PAUSES,
        retry=retry_if_exception_type(_MayPassError),
        reraise=True,
    )
    try:
        with http_session(any_address) as session:
            tries(_post, session, url, json.dumps(ending, default=str).encode())
    except (_MayPassError, FailureError, RunError) as failure:
        LOGGER.warning("the end of run %s could not be told to %s: %s", layout.run_id, place, failure)


def _post(session: requests.Session, url: str, body: bytes) -> None:
    """Send one POST request.

    Raises:
        _MayPassError: there is no answer, or its status is 429 or 5xx.
        RunError: the status is another one outside 2xx.
    """
    headers = {"Content-Type": "application/json"}
    try:
        with session.post(url, body, headers=headers, timeout=_TIMEOUT_S, stream=True) as response:
            status = response.status_code
    except FOREIGN as error:
        raise _MayPassError(f"no answer ({type(error).__name__})") from error
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _MayPassError(f"HTTP {status}")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise RunError(f"HTTP {status}")
