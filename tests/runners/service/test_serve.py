"""`facebeam serve` keeps the contract: tests with real sockets, a real process and the real model."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from facebeam.schemas.landmarks import REGIONS
from facebeam.transforms.api.parse_answer import parse_answer
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FaceModel
from tests.helpers.console import FACEBEAM
from tests.helpers.face_server import BEARER, FaceServer, face_server
from tests.helpers.processes import running
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.waiting import wait_until

PHOTOS = Path(__file__).parents[3] / ".photos"
CURL = """\
curl -X POST 'https://api.acedata.cloud/face/analyze' \\
-H 'accept: application/json' \\
-H 'authorization: Bearer {token}' \\
-H 'content-type: application/json' \\
-d '{
"image_url": "https://cdn.acedata.cloud/lrbtcn.jpg"
}'
"""
"""The guide's curl example, character by character."""
AGENT = "survey/2.0 (mailto:ann@example.com)"
PYTHON = """\
import requests
url = "https://api.acedata.cloud/face/analyze"
headers = {
"accept": "application/json",
"authorization": "Bearer {token}",
"content-type": "application/json"
}
payload = {
"image_url": "https://cdn.acedata.cloud/lrbtcn.jpg"
}
response = requests.post(url, json=payload, headers=headers)
print(response.text)
"""
"""The guide's Python example, line by line."""


def photo(name: str) -> bytes:
    """Read one of the example's photographs."""
    if not PHOTOS.is_dir():
        pytest.skip("the photographs are not here: run `make test`, which fetches them")
    return (PHOTOS / name).read_bytes()


def show(exchange: Exchange) -> None:
    """Answer with the photograph that the path names."""
    exchange.answer(photo(exchange.target.partition("?")[0].rpartition("/")[2]))


@pytest.fixture(scope="module")
def images() -> Iterator[ScriptedServer]:
    """Serve photographs, and answers that are not images."""
    names = ("obama.jpg", "astronaut.png", "coffee.png")
    scripts = {f"/{name}": show for name in names} | {
        "/lrbtcn.jpg": lambda exchange: exchange.answer(photo("obama.jpg")),
        "/empty": lambda exchange: exchange.answer(b""),
        "/html": lambda exchange: exchange.answer(b"<html>"),
        "/large": lambda exchange: exchange.answer(b"", headers={"Content-Length": str(2**30)}),
        "/forbidden": lambda exchange: exchange.answer(b"", "403 Forbidden"),
        "/failing": lambda exchange: exchange.answer(b"", "503 Service Unavailable"),
        "/hang": lambda exchange: exchange.hang(),
    }
    with ScriptedServer(scripts) as server:
        yield server


@pytest.fixture(scope="module")
def served() -> Iterator[FaceServer]:
    """Give a server that also downloads from this machine."""
    with face_server("--allow-private-urls", "--workers", "2", "--user-agent", AGENT) as process:
        yield process


def test_the_examples_are_the_guides(shared: Path) -> None:
    """The guide contains the curl example and the Python example of these tests, character by character."""
    guide = (shared / "face-analyze-guide.txt").read_text()
    assert CURL in guide
    assert PYTHON in guide


def test_the_guides_curl_line_works_with_only_the_host_changed(
    served: FaceServer, images: ScriptedServer
) -> None:
    """The guide's curl line gives a face if only its two hosts change; even `{token}` stays as it is."""
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    line = elsewhere(CURL, served, images)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)  # noqa: S607 - the guide's shell
    assert len(json.loads(done.stdout)["face_shape_set"]) == 1


def test_the_guides_python_works_with_only_the_host_changed(
    served: FaceServer, images: ScriptedServer
) -> None:
    """The guide's Python lines print a face if only their two hosts change."""
    program = elsewhere(PYTHON, served, images)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["face_shape_set"]) == 1


def test_image_hosts_see_the_servers_user_agent(served: FaceServer, images: ScriptedServer) -> None:
    """The server downloads images under the name that --user-agent gives."""
    assert served.ask(images.url("/coffee.png?agent")).status
    (asked,) = [exchange for exchange in images.seen if exchange.target == "/coffee.png?agent"]
    assert asked.headers["User-Agent"] == AGENT


def test_a_host_that_asks_for_a_pause_is_not_waited_for(served: FaceServer) -> None:
    """An image host that answers 429 is not asked again in its pause: the next request fails at once."""
    busy = {"/a": lambda exchange: exchange.answer(b"", "429 Slow down", {"Retry-After": "300"})}
    with ScriptedServer(busy) as host:
        replies = [served.ask(host.url("/a")) for _ in range(2)]
        assert len(host.seen) == 1
    assert "HTTP 429" in replies[0].message
    assert f"{host.authority} asks for fewer requests, so it gets none for" in replies[1].message
    assert all("FailedOperation.ImageDownloadError" in reply.message for reply in replies)


def elsewhere(example: str, served: FaceServer, images: ScriptedServer) -> str:
    """Replace the two hosts of an example, and nothing else."""
    example = example.replace("https://api.acedata.cloud", served.origin)
    return example.replace("https://cdn.acedata.cloud", images.url(""))


@pytest.mark.parametrize("name", ["obama.jpg", "astronaut.png"])
def test_the_points_are_the_local_models(served: FaceServer, images: ScriptedServer, name: str) -> None:
    """The client's own parser finds the local model's points in the answer, each to within half a pixel."""
    reply = served.ask(images.url(f"/{name}"))
    answer = parse_answer(reply.body)
    image = decode_image(photo(name))
    (expected,) = FaceModel().find_faces(image)
    assert (answer.image_width, answer.image_height) == (image.width, image.height)
    (face,) = answer.faces
    assert np.abs(face.points - expected).max() <= 0.5
    assert np.abs(face.points - expected).max() > 0


def test_an_answer_has_the_guides_shape(served: FaceServer, images: ScriptedServer) -> None:
    """An answer has the guide's four keys, nine regions per face, whole numbers, and a trace id header."""
    reply = served.ask(images.url("/obama.jpg"), mode=1, need_rotate_detection=0, face_model_version="3.0")
    assert reply.status == 200
    assert list(reply.body) == ["image_width", "image_height", "face_model_version", "face_shape_set"]
    (face,) = reply.body["face_shape_set"]
    assert {region: len(points) for region, points in face.items()} == REGIONS
    coordinates = [value for points in face.values() for point in points for value in point.values()]
    assert {type(value) for value in coordinates} == {int}
    assert reply.body["face_model_version"] == "3.0"
    assert UUID(reply.headers["x-trace-id"])


def test_parameters_reach_the_model(served: FaceServer, images: ScriptedServer, shared: Path) -> None:
    """`mode` 1 gives one face of seven; with `need_rotate_detection` 1 an upside-down face is found."""
    group = (shared / "faces/images/dlib_2007_007763.jpg").read_bytes()
    turned = (shared / "faces/derived/lfpw_train_0003__rot180.jpg").read_bytes()
    images.scripts = {
        **images.scripts,
        "/group": lambda exchange: exchange.answer(group),
        "/turned": lambda exchange: exchange.answer(turned),
    }
    assert len(served.ask(images.url("/group")).body["face_shape_set"]) == 7
    assert len(served.ask(images.url("/group"), mode=1).body["face_shape_set"]) == 1
    assert len(served.ask(images.url("/turned"), need_rotate_detection=1).body["face_shape_set"]) == 1


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/coffee.png", "InvalidParameterValue.NoFaceInPhoto"),
        ("/empty", "InvalidParameterValue.ImageEmpty"),
        ("/html", "FailedOperation.ImageDecodeFailed"),
        ("/large", "FailedOperation.ImageSizeExceed"),
        ("/forbidden", "InvalidParameterValue.UrlIllegal"),
        ("/failing", "FailedOperation.ImageDownloadError"),
    ],
)
def test_an_images_failure_travels_as_the_upstreams_code(
    served: FaceServer, images: ScriptedServer, path: str, upstream: str
) -> None:
    """A failed image gives an `api_error` with the upstream's code, and the trace id as its request id."""
    reply = served.ask(images.url(path))
    assert (reply.status, reply.code, reply.body["success"]) == (500, "api_error", False)
    trace_id = reply.body["trace_id"]
    assert reply.headers["x-trace-id"] == trace_id
    assert reply.message.startswith(f"[TencentCloudSDKException] code:{upstream} message:")
    assert reply.message.endswith(f" requestId:{trace_id}")


@pytest.mark.parametrize("url", ["photo.jpg", "file:///etc/passwd", "ftp://host/a.jpg", "http:///a.jpg"])
def test_only_web_urls_are_images(served: FaceServer, url: str) -> None:
    """Only web URLs with a host are legal; paths and files are not, even if private addresses are allowed."""
    reply = served.ask(url)
    assert reply.code == "api_error"
    assert "code:InvalidParameterValue.UrlIllegal" in reply.message


def test_another_model_version_is_illegal(served: FaceServer, images: ScriptedServer) -> None:
    """A model version other than 3.0 is illegal."""
    reply = served.ask(images.url("/obama.jpg"), face_model_version="2.0")
    assert reply.code == "api_error"
    assert "code:InvalidParameterValue.FaceModelVersionIllegal" in reply.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"url": "http://a/b"}', b'{"image_url": 1}'])
def test_a_bad_body_is_a_bad_request(served: FaceServer, body: bytes) -> None:
    """A bad body gets `bad_request` in the contract's shape."""
    reply = served.post(body)
    assert (reply.status, reply.code) == (400, "bad_request")
    assert set(reply.body) == {"success", "error", "trace_id"}


def test_a_body_too_large_is_told_so(served: FaceServer) -> None:
    """A body of one megabyte gets `request_too_large`, not a broken connection."""
    reply = served.post(b" " * 1_000_000)
    assert (reply.status, reply.code) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/face/detect", 404, "no_api"),
        ("POST", "/face/analyze/", 404, "no_api"),
        ("GET", "/", 404, "no_api"),
        ("GET", "/face/analyze", 405, "api_not_implemented"),
    ],
)
def test_other_paths_and_methods_are_refused_in_shape(
    served: FaceServer, method: str, path: str, status: int, code: str
) -> None:
    """Other paths and methods get codes that stop a client, because none of its requests can succeed."""
    reply = served.send(method, path)
    assert (reply.status, reply.code, reply.body["success"]) == (status, code, False)
    assert reply.body["trace_id"] == reply.headers["x-trace-id"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "authorization_missing"),
        ({"authorization": "Basic YTpi"}, "invalid_token"),
        ({"authorization": "Bearer "}, "invalid_token"),
    ],
)
def test_a_token_must_be_there(served: FaceServer, headers: dict[str, str], code: str) -> None:
    """A server without configured tokens still refuses a request without a bearer token."""
    reply = served.post(b"{}", headers)
    assert (reply.status, reply.code) == (401, code)
    assert reply.headers["www-authenticate"] == "Bearer"


def test_the_api_describes_itself(served: FaceServer, shared: Path) -> None:
    """The OpenAPI page has the guide's response as its example; /healthz answers without a token."""
    page = served.send("GET", "/openapi.json", headers={}).body
    example = page["components"]["schemas"]["FaceAnalyzeResponse"]["example"]
    guide = (shared / "face-analyze-guide.txt").read_text()
    shown = guide[guide.index('{\n"image_width"') : guide.index("\nYou can see that we")]
    assert example == json.loads(shown)
    assert set(page["paths"]["/face/analyze"]["post"]["responses"]) >= {"200", "400", "401", "413", "429"}
    assert served.send("GET", "/healthz", headers={}).body == {"status": "ok"}


def test_the_page_needs_nothing_from_elsewhere(served: FaceServer) -> None:
    """/docs links only to scripts and styles of this server, and the server has them."""
    with urllib.request.urlopen(f"{served.origin}/docs") as page:  # noqa: S310 - our own server
        html = page.read().decode()
    links = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(links) >= 2
    for link in links:
        assert link.startswith("/")
        with urllib.request.urlopen(f"{served.origin}{link}") as part:  # noqa: S310 - as above
            assert part.status == 200


@pytest.mark.slow
def test_half_a_request_is_not_waited_for(served: FaceServer) -> None:
    """The server waits 10 s for a body that never comes whole, and refuses it in the contract's shape."""
    with closing(HTTPConnection(served.origin.removeprefix("http://"), timeout=180)) as connection:
        connection.request("POST", "/face/analyze", b"{", {**BEARER, "Content-Length": "100"})
        response = connection.getresponse()
        error = json.load(response)["error"]
    assert (response.status, error["code"]) == (400, "bad_request")
    assert error["message"] == "the body did not arrive within 10 s"


def test_many_at_once_are_answered_each_its_own(served: FaceServer, images: ScriptedServer) -> None:
    """Each of 20 requests at once gets the answer for its own image."""
    names = ["/obama.jpg", "/astronaut.png"] * 10
    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(lambda name: served.ask(images.url(name)), names))
    assert [reply.body["image_width"] for reply in replies] == [910, 512] * 10


def test_the_log_has_no_secrets(images: ScriptedServer) -> None:
    """The log has one JSON line per request, without the token and without any URL's query or password."""
    with face_server("--allow-private-urls", "--workers", "1", "--log-format", "json") as process:
        url = images.url("/coffee.png?signature=s3cret").replace("://", "://ann:s3cret@")
        process.post(json.dumps({"image_url": url}).encode(), {"authorization": "Bearer s3cret"})
        process.send("POST", "/nowhere?key=s3cret", b"s3cret", {"authorization": "Bearer s3cret"})
        process.stop()
    entries = [json.loads(line) for line in process.lines if line.startswith("{")]
    first, second = (entry for entry in entries if "trace_id" in entry)
    assert (first["status"], first["code"]) == (500, "InvalidParameterValue.NoFaceInPhoto")
    assert first["image"] == images.url("/coffee.png")
    assert (second["status"], second["path"]) == (404, "/nowhere")
    assert "s3cret" not in "".join(process.lines)


def test_private_addresses_are_refused_without_saying_which(images: ScriptedServer) -> None:
    """By default the server refuses an image on this machine, sends nothing there and reveals no address."""
    before = images.connections
    with face_server("--workers", "1") as process:
        reply = process.ask(images.url("/obama.jpg").replace("127.0.0.1", "localhost"))
    assert "code:InvalidParameterValue.UrlIllegal" in reply.message
    assert "127.0.0.1" not in reply.message
    assert "this server accepts such images if it is started with --allow-private-urls" in reply.message
    assert images.connections == before


def test_configured_tokens_are_the_only_ones(tmp_path: Path) -> None:
    """With a token file, each of its lines is an accepted token, and any other token gets 401."""
    tokens = tmp_path / "tokens"
    tokens.write_text("first\nsecond\n")
    with face_server("--workers", "1", "--token-file", str(tokens)) as process:
        for token, status in [("first", 400), ("second", 400), ("third", 401), ("first second", 401)]:
            assert process.post(b"{}", {"authorization": f"Bearer {token}"}).status == status


def test_the_rate_is_a_ceiling() -> None:
    """The server refuses some of a hundred requests above its rate, with 429 and the time to wait."""
    with face_server("--workers", "1", "--rate", "2") as process, ThreadPoolExecutor(10) as threads:
        replies = list(threads.map(lambda _: process.post(b"{}"), range(100)))
    refused = [reply for reply in replies if reply.status == 429]
    assert 0 < len(refused) <= 98
    assert {reply.status for reply in replies} == {400, 429}
    assert {(reply.code, reply.headers["retry-after"]) for reply in refused} == {("too_many_requests", "1")}


def test_a_full_server_refuses_at_once(images: ScriptedServer) -> None:
    """With 17 hanging downloads and 3 waiting requests, one more gets 429; a second Ctrl-C ends them all."""
    with (
        face_server("--allow-private-urls", "--workers", "1", "--max-waiting", "3") as process,
        ThreadPoolExecutor(21) as threads,
    ):
        asked = {threads.submit(process.ask, images.url("/hang")) for _ in range(21)}
        ended, hanging = wait(asked, return_when=FIRST_COMPLETED)
        (reply,) = (each.result() for each in ended)
        assert (reply.status, reply.code) == (429, "too_many_requests")
        assert reply.headers["retry-after"] == "1"
        process.process.send_signal(signal.SIGINT)
        wait_until(lambda: not accepts(process))
        assert process.stop(signal.SIGINT) == 130
        assert all(each.exception() for each in hanging)


def accepts(process: FaceServer) -> bool:
    """Tell whether a server accepts connections."""
    host, port = process.origin.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_killed_model_is_replaced(images: ScriptedServer) -> None:
    """A request whose model process is killed gets `busy`; a new process answers the next request."""
    with face_server("--allow-private-urls", "--workers", "1") as process:
        (victim,) = process.worker_ids()
        os.kill(victim, signal.SIGSTOP)
        before = len(images.seen)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(process.ask, images.url("/obama.jpg"))
            wait_until(lambda: len(images.seen) > before)
            os.kill(victim, signal.SIGKILL)
            reply = asked.result()
        assert (reply.status, reply.code) == (500, "busy")
        assert process.ask(images.url("/obama.jpg")).status == 200
        assert process.worker_ids() != [victim]
        assert process.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(images: ScriptedServer, number: int) -> None:
    """After a signal to all its processes, the server answers requests in flight and leaves no process."""
    with face_server("--allow-private-urls", "--workers", "2") as process:
        workers = process.worker_ids()
        with ThreadPoolExecutor(8) as threads:
            before = len(images.seen)
            asked = [threads.submit(process.ask, images.url("/obama.jpg")) for _ in range(8)]
            wait_until(lambda: len(images.seen) >= before + 8)
            for worker in workers:  # as a terminal's Ctrl-C or systemd does
                os.kill(worker, number)
            assert process.stop(number) == 0
            assert [each.result().status for each in asked] == [200] * 8
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_workers_do_not_outlive_a_killed_server() -> None:
    """After SIGKILL of the server, no process with a model is left."""
    with face_server("--workers", "2") as process:
        workers = process.worker_ids()
        assert len(workers) == 2
        process.process.kill()
        process.ended()
    wait_until(lambda: not any(is_running(worker) for worker in workers))


def is_running(process_id: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        return re.search(r"State:\s+Z", Path(f"/proc/{process_id}/status").read_text()) is None
    except OSError:
        return False


def failed_start(*flags: str, tokens: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `facebeam serve` with flags or tokens with which it must not start."""
    environment = os.environ if tokens is None else {**os.environ, "FACEBEAM_SERVE_TOKENS": tokens}
    command = [str(Path(sys.executable).with_name("facebeam")), "serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=180)


def test_a_taken_port_is_told(served: FaceServer) -> None:
    """A port that is in use ends the command with exit 2 and one line of error."""
    done = failed_start("--port", served.origin.rpartition(":")[2])
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_empty_tokens_do_not_open_the_server() -> None:
    """Tokens that are empty or cannot be in a header end the command with exit 2 and are not shown."""
    assert failed_start("--port", "0", tokens=" ").returncode == 2
    done = failed_start("--port", "0", tokens="t\u00f6ken")
    assert done.returncode == 2
    assert "t\u00f6ken" not in done.stderr


def test_without_a_token_file_it_does_not_start(tmp_path: Path) -> None:
    """A token file that does not exist ends the command with exit 2 and an error that names it."""
    done = failed_start("--port", "0", "--token-file", str(tmp_path / "nix"))
    assert done.returncode == 2
    assert str(tmp_path / "nix") in done.stderr


@pytest.mark.slow
def test_half_open_connections_do_not_stop_it() -> None:
    """With 200 descriptors and 260 callers that never send a whole head, the server still answers."""
    limited = f"ulimit -n 200; exec {FACEBEAM} serve --port 0 --workers 1"
    with running(["bash", "-c", limited], stderr=subprocess.PIPE) as process:
        server = FaceServer(process)
        address = server.origin.removeprefix("http://").split(":")
        with ExitStack() as opened:
            for _ in range(260):
                talk = opened.enter_context(socket.create_connection((address[0], int(address[1]))))
                talk.sendall(b"POST /face/analyze HTTP/1.1\r\nHost: x\r\n")
            wait_until(lambda: answers_health(server))
            assert answers_health(server)
        assert server.stop() == 0
    assert len(server.lines) < 50


def answers_health(server: FaceServer) -> bool:
    """Tell whether a new caller is answered."""
    try:
        return server.send("GET", "/healthz").status == 200
    except (OSError, HTTPException):
        return False


@pytest.mark.parametrize("sent", [b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 80_000])
def test_what_is_not_http_is_refused_in_shape(served: FaceServer, sent: bytes) -> None:
    """A request that is not HTTP, or has a head without end, gets the contract's JSON."""
    host, port = served.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as talk:
        talk.sendall(sent)
        answer = talk.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(body)["error"]["code"] == "bad_request"


def test_callers_that_hang_up_give_their_places_back(images: ScriptedServer) -> None:
    """After 40 callers for images of a silent host have hung up, another host's image is answered."""
    flags = ("--allow-private-urls", "--workers", "1", "--max-waiting", "3")
    with face_server(*flags) as server, ScriptedServer({"/hang": Exchange.hang}) as silent:
        host, port = server.origin.removeprefix("http://").split(":")
        body = json.dumps({"image_url": silent.url("/hang")}).encode()
        head = (
            "POST /face/analyze HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer any\r\nContent-Length: {len(body)}"
        )
        for _ in range(40):
            with socket.create_connection((host, int(port))) as talk:
                talk.sendall(f"{head}\r\n\r\n".encode() + body)
        wait_until(lambda: server.ask(images.url("/obama.jpg")).status == 200)
        assert server.ask(images.url("/obama.jpg")).status == 200
