"""Tell a URL how a run ended: one POST with its summary as JSON. If that fails, the run does not."""

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
"""To connect; between two bytes of the answer."""
_TRIES: Final = 3
_USUAL_PAUSES: Final = wait_exponential(multiplier=1, max=10)


class _LastError(logging.Handler):
    """Remembers the last error that was logged: it says why a run failed, or what is missing in it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one record."""
        self.text = record.getMessage()


def told_at_the_end(url: str | None, layout: Layout, act: Callable[[], int]) -> int:
    """Carry out a run, and tell the URL how it ended. A job that goes on elsewhere has no end yet.

    Args:
        url: where to post. None: nowhere.
        layout: where the run's files are.
        act: carries out the run; gives its exit code.

    Returns:
        The exit code.

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
    """Give what is posted; chats show its `text`."""
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
    """The other side may take it the next time."""


def _tell(url: str, layout: Layout, exit_code: int, error: str | None) -> None:
    """Post, unless the run's job goes on; if that fails, say so."""
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
    """Send once.

    Raises:
        _MayPassError: nobody answers, or the answer asks to come back.
        RunError: the answer is final.
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
