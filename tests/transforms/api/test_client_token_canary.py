"""The token is only in the header: a canary token meets every fault and every echo, with logs at DEBUG."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.paid_service import FaultyServer, image_url_of
from tests.helpers.paid_service_answers import body_of, face, fails, raw, says, whole
from tests.helpers.paid_service_faults import ANSWERS, FAULTS
from tests.helpers.scripted_server import Exchange

TOKEN = "canary-0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - made up
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
ECHOES = {
    "message": fails("401 Unauthorized", "invalid_token", f"Bearer {TOKEN} is wrong"),
    "code": fails("400 Bad Request", TOKEN),
    "cut_message": fails("500 Internal Server Error", "api_error", "x" * 480 + TOKEN),
    "escaped": says(
        whole(f'{{"error": {{"code": "new", "message": "{ESCAPED}"}}}}'.encode(), "400 Bad Request")
    ),
    "html": raw(f"<html>{TOKEN}</html>"),
    "cut_html": raw("x" * 60 + TOKEN),
    "header": fails("500 Internal Server Error", "busy", headers={"x-trace-id": TOKEN, "Location": TOKEN}),
    "coordinate": raw(str(body_of([face() | {"nose": "x" * 60 + TOKEN}])).replace("'", '"')),
    "version": raw(str(body_of([face()])).replace("'", '"').replace("3.0", TOKEN)),
}
"""Answers that repeat the token, also at the place where the client cuts off a message or a value."""
ENDLESS = {"hang", "drip_status", "drip_headers", "drip_body"}
ASK = """
import copy, http.client, logging, pickle, sys, traceback
from dataclasses import replace
from facebeam.schemas.values import FailureError, ImageRequest
from facebeam.transforms.api.client import CALL_LIMITS, ApiClient

logging.basicConfig(level=logging.DEBUG)
http.client.HTTPConnection.debuglevel = 1
client = ApiClient(sys.argv[1], limits=replace(CALL_LIMITS, read_timeout_s=5))
print(repr(client), client.identity, pickle.dumps(client, 0), pickle.dumps(copy.deepcopy(client), 0))
for name in sys.argv[2:]:
    with client.open() as ask:  # a new connection, because some faults close theirs without a word
        logging.getLogger("urllib3").setLevel(logging.DEBUG)
        print(repr(ask), ask)
        try:
            print(ask(ImageRequest(f"https://images.example.com/fault-{name}/a.jpg")))
        except FailureError as error:
            print(name, repr(error), str(error), error.args, pickle.dumps(error, 0))
            traceback.print_exception(error)
            assert error.__context__ is None and error.__cause__ is None
        try:
            pickle.dumps(ask)
        except TypeError as error:
            print(error)
"""


def echoing(exchange: Exchange) -> None:
    """Answer with the fault or the echo that the image's URL names."""
    name = image_url_of(exchange).split("/fault-")[1].split("/")[0]
    (ANSWERS | FAULTS | ECHOES)[name](exchange)


def test_token_is_in_nothing_that_can_be_read() -> None:
    """No repr, text, argument, traceback, pickle or log of a client that meets everything has the token."""
    names = sorted((ANSWERS | FAULTS | ECHOES).keys() - ENDLESS)
    with FaultyServer(echoing) as server:
        done = subprocess.run(
            [sys.executable, "-c", ASK, server.base_url, *names],
            cwd=Path(__file__).parents[3],
            env=os.environ | {"ACEDATACLOUD_API_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        assert server.calls == len(names)
        assert {exchange.headers["authorization"] for exchange in server.seen} == {f"Bearer {TOKEN}"}
    output = done.stdout + done.stderr
    assert '"POST /face/analyze HTTP/1.1" 401' in done.stderr  # urllib3 did log
    assert output.count("[token]") > len(ECHOES)
    assert "a token cannot be pickled" in output
    assert not [line for line in output.splitlines() if TOKEN[:12] in line]
