"""One API call over real sockets: the contract's request, and the failure that each fault becomes."""

import json
import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from facebeam.schemas.errors import ErrorCode, Fate, RunError
from facebeam.schemas.values import Failure, FailureError, ImageRequest
from facebeam.transforms.api.client import CALL_LIMITS, ApiClient, Call
from facebeam.transforms.api.token import TokenReference
from facebeam.transforms.http.exchange import HttpLimits
from tests.helpers.paid_service import FaultyServer
from tests.helpers.paid_service_answers import TRACE_ID, answers
from tests.helpers.paid_service_faults import ANSWERS, FAULTS
from tests.helpers.scripted_server import Exchange
from tests.helpers.self_signed import self_signed_context

REJECTED: dict[ErrorCode, str] = {
    ErrorCode.BAD_REQUEST: "bad_request",
    ErrorCode.FORBIDDEN: "forbidden",
    ErrorCode.REQUEST_TOO_LARGE: "request_too_large",
    ErrorCode.OTHER: "status_418 unknown_code_400 success_false_with_faces",
    ErrorCode.IMAGE_UNDECODABLE: "upstream_decode",
    ErrorCode.IMAGE_TOO_LARGE: "upstream_resolution upstream_size",
    ErrorCode.IMAGE_TOO_SMALL: "upstream_too_small upstream_face_too_small",
    ErrorCode.IMAGE_EMPTY: "upstream_empty",
    ErrorCode.UPSTREAM_REJECTED: "upstream_url upstream_version upstream_parameter upstream_missing",
    ErrorCode.INVALID_RESPONSE: "null_body nan infinity number_over_float duplicate_keys deep long_integer "
    "too_few_points text_coordinate bool_coordinate no_faces_key gzip_bomb",
    ErrorCode.HTTP_ERROR: "many_headers redirect_302 torn_redirect redirect_308",
}
RETRIED: dict[ErrorCode, str] = {
    ErrorCode.TOO_MANY_REQUESTS: "too_many_requests retry_after_0 retry_after_3 retry_after_date "
    "retry_after_past retry_after_abc retry_after_negative retry_after_1e9 retry_after_long upstream_limit "
    "upstream_limit_2 upstream_limit_3",
    ErrorCode.BUSY: "busy success_false",
    ErrorCode.TIMEOUT: "timeout status_504 hang drip_status drip_headers drip_body",
    ErrorCode.API_ERROR: "api_error status_409",
    ErrorCode.SERVER_ERROR: "status_503 html_502 torn_500 unknown_code_500",
    ErrorCode.UPSTREAM_DOWNLOAD_FAILED: "upstream_download",
    ErrorCode.UPSTREAM_DETECTION_FAILED: "upstream_detection",
    ErrorCode.UPSTREAM_ERROR: "upstream_timeout upstream_internal upstream_new",
    ErrorCode.UPSTREAM_ACCOUNT: "upstream_auth upstream_resource upstream_sold_out upstream_operation",
    ErrorCode.RESPONSE_TRUNCATED: "bad_gzip reset_inside fin_inside torn_chunk no_last_chunk "
    "bad_chunk_length negative_chunk html_200 empty_body no_json bad_utf8 status_204 cut_gzip fin_in_headers "
    "fin_inside_without_length garbage_status",
    ErrorCode.CONNECTION_FAILED: "reset_before fin_before",
}
STOPPED: dict[ErrorCode, str] = {
    ErrorCode.TOKEN_MISMATCHED: "token_mismatched",
    ErrorCode.API_NOT_IMPLEMENTED: "api_not_implemented",
    ErrorCode.NO_TOKEN: "no_token",
    ErrorCode.DISABLED: "disabled",
    ErrorCode.INVALID_TOKEN: "invalid_token bare_code_in_200",
    ErrorCode.TOKEN_EXPIRED: "token_expired",
    ErrorCode.AUTHORIZATION_MISSING: "authorization_missing",
    ErrorCode.AUTHENTICATION_FAILED: "authentication_failed",
    ErrorCode.PAYMENT_REQUIRED: "payment_402",
    ErrorCode.USED_UP: "used_up error_in_200",
    ErrorCode.NO_API: "no_api",
}
EXPECTED = [
    (name, code, fate)
    for fate, codes in ((Fate.REJECT, REJECTED), (Fate.RETRY, RETRIED), (Fate.OPEN_CIRCUIT, STOPPED))
    for code, names in codes.items()
    for name in names.split()
]
ENDLESS = {"hang", "drip_status", "drip_headers", "drip_body"}
PATIENT = replace(CALL_LIMITS, read_timeout_s=20, timeout_s=30)
HASTY = replace(CALL_LIMITS, read_timeout_s=0.3, timeout_s=0.3)
"""Short limits for servers whose answer never ends; any of them may end the call, at any time."""
TOKEN = "canary-0123456789abcdef"  # noqa: S105 - made up


@pytest.fixture
def token(tmp_path: Path) -> TokenReference:
    """Write a token to a file, and give the reference to it."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return TokenReference(file=str(tmp_path / "token"))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Start a service that has every fault by name."""
    with FaultyServer() as server:
        yield server


def client(server: FaultyServer, token: TokenReference, limits: HttpLimits = PATIENT) -> ApiClient:
    """Describe a client of the server."""
    return ApiClient(server.base_url, token, limits=limits)


def asked_for(fault: str) -> ImageRequest:
    """Give a request for an image that meets the fault."""
    return ImageRequest(f"https://images.example.com/fault-{fault}/a.jpg?signature=s3cret")


def failure_of(ask: Call, request: ImageRequest) -> Failure:
    """Make a call that must fail, and give its failure."""
    with pytest.raises(FailureError) as caught:
        ask(request)
    assert caught.value.failure.stage == "annotate"
    return caught.value.failure


def test_every_fault_has_its_expectation() -> None:
    """The tables above contain every fault of the faulty server."""
    assert sorted(name for name, _, _ in EXPECTED) == sorted(FAULTS)


@pytest.mark.parametrize(("fault", "code", "fate"), EXPECTED, ids=[name for name, _, _ in EXPECTED])
def test_each_fault_is_told_apart(
    fault: str, code: ErrorCode, fate: Fate, server: FaultyServer, token: TokenReference
) -> None:
    """Each fault gives the contract's code and fate after one call, which may be billed.

    The message has at most 500 characters and does not contain the URL's query.
    """
    with client(server, token, HASTY if fault in ENDLESS else PATIENT).open() as ask:
        failure = failure_of(ask, asked_for(fault))
    assert (failure.code, failure.fate) == (code, fate)
    assert (failure.maybe_billed, failure.was_sent, server.calls) == (True, True, 1)
    assert 0 < len(failure.message) <= 500
    assert "s3cret" not in failure.message


@pytest.mark.parametrize(
    ("name", "faces"),
    [(name, 1) for name in ("one_face", "capital_axes", "faces_as_text", "bom", "gzip", "chunked")]
    + [("no_content_length", 1), ("created_201", 1), ("ten_faces", 10), ("two_hundred_faces", 200)]
    + [("zero_faces", 0), ("null_faces", 0)],
)
def test_odd_answers_are_answers(name: str, faces: int, server: FaultyServer, token: TokenReference) -> None:
    """An odd answer is an answer too: it gives all faces, the image's size and the model's version."""
    with client(server, token).open() as ask:
        answer = ask(asked_for(name))
    assert (len(answer.faces), answer.image_width, answer.image_height) == (faces, 640, 480)
    assert answer.face_model_version == "3.0"
    assert answer.latency_ms is not None
    assert answer.latency_ms > 0
    assert not faces or answer.faces[0].points.shape == (90, 2)
    assert name in ANSWERS


def test_a_width_that_is_no_number_does_not_cost_the_answer(
    server: FaultyServer, token: TokenReference
) -> None:
    """A body with `NaN`, as Python writes it, is read; the points are whole and paid for."""
    with client(server, token).open() as ask:
        answer = ask(asked_for("nan_width"))
    assert (len(answer.faces), answer.image_width, answer.image_height) == (1, None, 480)


def test_no_face_in_photo_is_an_answer(server: FaultyServer, token: TokenReference) -> None:
    """The service's error for a photograph without a face becomes an answer: no faces, no size, trace id."""
    with client(server, token).open() as ask:
        answer = ask(asked_for("no_face_in_photo"))
    assert (answer.faces, answer.image_width, answer.trace_id) == ((), None, TRACE_ID)
    assert answer.face_model_version == "3.0"


def test_failure_keeps_what_the_service_told(server: FaultyServer, token: TokenReference) -> None:
    """A failure keeps status, trace id, message, and the codes as the service and its upstream spelt them."""
    with client(server, token).open() as ask:
        failure = failure_of(ask, asked_for("upstream_decode"))
        unknown = failure_of(ask, asked_for("unknown_code_400"))
        silent = failure_of(ask, asked_for("status_503"))
    assert (failure.http_status, failure.trace_id) == (500, TRACE_ID)
    assert (failure.raw_code, failure.upstream_code) == ("api_error", "FailedOperation.ImageDecodeFailed")
    assert "message:sorry" in failure.message
    assert (unknown.raw_code, silent.raw_code) == ("brand_new", "http_503")


@pytest.mark.parametrize(
    ("fault", "pause_s"),
    [("0", 0.0), ("3", 3.0), ("date", 20.0), ("long", 300.0)]
    + [(form, None) for form in ("past", "abc", "negative", "1e9")],
)
def test_reads_every_form_of_retry_after(
    fault: str, pause_s: float | None, server: FaultyServer, token: TokenReference
) -> None:
    """Retry-After gives a pause from seconds, or from a date compared with the response's own Date.

    The pause is capped. A date in the past or an invalid value gives None.
    """
    with client(server, token).open() as ask:
        assert failure_of(ask, asked_for(f"retry_after_{fault}")).retry_after_s == pause_s


def test_sends_the_request_of_the_contract(server: FaultyServer, token: TokenReference) -> None:
    """The client sends the contract's four parameters and headers, the URL unchanged, and nothing else."""
    url = "https://images.example.com/a%20b/\N{SNOWMAN}.jpg?x=1&y=%2F#top"
    with client(server, token).open() as ask:
        ask(ImageRequest(url, mode=1, need_rotate_detection=1))
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/face/analyze")
    sent = json.loads(seen.body)
    assert sent == {"image_url": url, "mode": 1, "face_model_version": "3.0", "need_rotate_detection": 1}
    assert type(sent["mode"]) is int
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert headers.pop("host") == server.authority
    assert int(headers.pop("content-length")) == len(seen.body)
    assert headers == {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/json",
        "content-type": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "facebeam",
    }


def test_threads_share_kept_connections(token: TokenReference) -> None:
    """Eight threads that make three calls each need only eight connections."""
    together = Barrier(8)

    def script(exchange: Exchange) -> None:
        together.wait(timeout=20)
        answers()(exchange)

    with FaultyServer(script) as server, client(server, token).open() as ask, ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            list(pool.map(ask, [asked_for("one_face")] * 8))
        assert (server.calls, server.connections) == (24, 8)


def test_refused_connection_is_not_billed(token: TokenReference) -> None:
    """A refused connection gives `connection_failed`; the call is not billed, and may be retried."""
    with FaultyServer() as server:
        pass
    with client(server, token).open() as ask:
        failure = failure_of(ask, asked_for("one_face"))
    assert (failure.code, failure.maybe_billed) == (ErrorCode.CONNECTION_FAILED, False)
    assert (failure.was_sent, failure.fate) == (True, Fate.RETRY)


def test_unknown_host_is_not_billed(token: TokenReference) -> None:
    """An unknown host gives `host_not_found`, and the call is not billed."""
    with ApiClient("http://does-not-exist.invalid", token).open() as ask:
        failure = failure_of(ask, asked_for("one_face"))
    assert (failure.code, failure.maybe_billed) == (ErrorCode.HOST_NOT_FOUND, False)


def test_connect_timeout_is_not_billed(token: TokenReference) -> None:
    """A listener with a full queue gives `timeout`, and the call is not billed."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        limits = replace(PATIENT, connect_timeout_s=0.3)
        with ApiClient(f"http://127.0.0.1:{full.getsockname()[1]}", token, limits=limits).open() as ask:
            failure = failure_of(ask, asked_for("one_face"))
        for filler in fillers:
            filler.close()
    assert (failure.code, failure.maybe_billed) == (ErrorCode.TIMEOUT, False)


def test_unknown_certificate_is_not_billed(tmp_path: Path, token: TokenReference) -> None:
    """An untrusted certificate gives `tls_error`, and nothing is sent, unless its authority is named."""
    with FaultyServer(tls=self_signed_context(tmp_path)) as server:
        base_url = server.base_url.replace("127.0.0.1", "localhost")
        with ApiClient(base_url, token).open() as ask:
            failure = failure_of(ask, asked_for("one_face"))
        assert server.calls == 0
        ca_data = (tmp_path / "localhost.pem").read_text()
        with ApiClient(base_url, token, ca_data=ca_data).open() as ask:
            assert ask(asked_for("one_face")).faces
    assert (failure.code, failure.fate, failure.maybe_billed) == (ErrorCode.TLS_ERROR, Fate.REJECT, False)


def test_redirect_is_not_followed(server: FaultyServer, token: TokenReference) -> None:
    """The client does not follow a redirect; the failure has its status and target, and names --base-url."""
    with client(server, token).open() as ask:
        failure = failure_of(ask, asked_for("redirect_302"))
    assert (failure.http_status, len(server.seen)) == (302, 1)
    assert "/elsewhere" in failure.message
    assert "--base-url" in failure.message


def test_identity_names_who_is_asked() -> None:
    """Two spellings of one place have one identity; another host, port, path or version has another."""
    assert ApiClient().identity == "api https://api.acedata.cloud 3.0"
    assert ApiClient("https://API.acedata.cloud:443/").identity == ApiClient().identity
    others = (
        ApiClient("http://127.0.0.1:80"),
        ApiClient("http://127.0.0.1:81"),
        ApiClient("http://127.0.0.1/v2"),
    )
    versions = ApiClient(), ApiClient(face_model_version="2.0")
    assert len({other.identity for other in others + versions}) == 5


def test_client_travels_as_a_description(server: FaultyServer, token: TokenReference) -> None:
    """A pickled client equals the original and makes calls like it."""
    copy = pickle.loads(pickle.dumps(client(server, token)))  # noqa: S301 - our own
    assert copy == client(server, token)
    with copy.open() as ask:
        assert len(ask(asked_for("one_face")).faces) == 1


@pytest.mark.parametrize("base_url", ["https://", "nonsense", "http://exa mple.com", "https://[::1"])
def test_wrong_base_url_ends_the_run_before_a_call(base_url: str, token: TokenReference) -> None:
    """An invalid base URL raises a RunError that names --base-url and does not show the token."""
    with pytest.raises(RunError, match="--base-url") as caught, ApiClient(base_url, token).open():
        pass
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("base_url", [f"http://{'a' * 64}.example.com", "ftp://example.com"])
def test_base_url_that_nobody_can_ask_stops_all_sending(base_url: str, token: TokenReference) -> None:
    """An unusable base URL gives `api_not_implemented`, which opens the circuit; nothing is billed."""
    with ApiClient(base_url, token).open() as ask:
        failure = failure_of(ask, asked_for("one_face"))
    assert (failure.code, failure.fate) == (ErrorCode.API_NOT_IMPLEMENTED, Fate.OPEN_CIRCUIT)
    assert not failure.maybe_billed
