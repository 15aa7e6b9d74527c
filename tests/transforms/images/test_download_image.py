"""Downloads over real sockets, and the failure that each fault of a server becomes."""

import gzip
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import repeat
from time import sleep

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.http.addresses import Address
from facebeam.transforms.http.exchange import HttpLimits
from facebeam.transforms.images.download_image import DOWNLOAD_LIMITS
from facebeam.transforms.images.fetch_image import Fetch, ImageFetcher
from tests.helpers.console import ROOT
from tests.helpers.scripted_server import Exchange, Script, ScriptedServer

IMAGE = random.Random(0).randbytes(300_000)
LIMITS = HttpLimits(connect_timeout_s=10, read_timeout_s=10, timeout_s=20, max_bytes=1_000_000)
HASTY = replace(LIMITS, timeout_s=0.3)
"""A short deadline for servers whose answer never ends; it may pass at any time."""


def is_loopback_one(address: Address) -> bool:
    """Allow 127.0.0.1, where the tests' servers are, and not 127.0.0.2."""
    return address == ip_address("127.0.0.1")


def fetcher(limits: HttpLimits = LIMITS) -> ImageFetcher:
    """Make a fetcher that may reach the tests' servers."""
    return ImageFetcher(rule=is_loopback_one, limits=limits)


@pytest.fixture
def fetch() -> Iterator[Fetch]:
    """Give a fetch with long time limits."""
    with fetcher().open() as opened:
        yield opened


def failure_of(fetch: Fetch, url: str) -> Failure:
    """Fetch a URL that must fail, and give the failure."""
    with pytest.raises(FailureError) as caught:
        fetch(url)
    assert caught.value.failure.stage == "fetch"
    return caught.value.failure


def failure_from(script: Script, limits: HttpLimits = LIMITS) -> Failure:
    """Fetch `/` from a server with this script, and give the failure."""
    with ScriptedServer({"/": script}) as server, fetcher(limits).open() as fetch:
        return failure_of(fetch, server.url("/"))


def answers(status: str, headers: dict[str, str] | None = None) -> Script:
    """Script a whole answer without a body."""
    return lambda exchange: exchange.answer(b"", status, headers)


def says(*parts: bytes | str) -> Script:
    """Script raw bytes, after which the server closes the connection."""

    def script(exchange: Exchange) -> None:
        for part in parts:
            exchange.send(part)

    return script


def hints_then(body: bytes, exchange: Exchange) -> None:
    """Send interim answers before the final one."""
    for interim in ("100 Continue", "102 Processing", "103 Early Hints", "103 Early Hints", "199 Unknown"):
        exchange.send(f"HTTP/1.1 {interim}\r\nLink: </style.css>\r\n\r\n")
    exchange.answer(body)


def drips(exchange: Exchange) -> None:
    """Send one byte every 20 ms, but never the last one; no read timeout ends this."""
    for _ in range(1000):
        exchange.send("x")
        sleep(0.02)


def starts_then(start: str, then: Script) -> Script:
    """Script the beginning of an answer and what comes after it."""

    def script(exchange: Exchange) -> None:
        exchange.send(start)
        then(exchange)

    return script


def test_gives_the_bytes_that_the_server_sent(fetch: Fetch) -> None:
    """The fetch gives the body byte for byte, however the server marks its end."""
    chunked = (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"  # without it, the next request may meet the end of this connection
        f"{len(IMAGE):x}\r\n"
    )
    scripts: dict[str, Script] = {
        "/length": lambda exchange: exchange.answer(IMAGE),
        "/close": says("HTTP/1.1 200 OK\r\n\r\n", IMAGE),
        "/chunked": says(chunked, IMAGE, "\r\n0\r\n\r\n"),
        "/gzip": lambda exchange: exchange.answer(gzip.compress(IMAGE), headers={"Content-Encoding": "gzip"}),
        "/http-1.0": says("HTTP/1.0 200 OK\r\n\r\n", IMAGE),
        "/hints": lambda exchange: hints_then(IMAGE, exchange),
        "/lengths": lambda e: e.answer(IMAGE, headers={"Content-Length": f"{len(IMAGE)}, {len(IMAGE)}"}),
        "/headers": lambda e: e.answer(IMAGE, headers={f"X-{i}": "x" for i in range(500)}),
        "/identity": lambda exchange: exchange.answer(IMAGE, headers={"Content-Encoding": "identity"}),
        "/both": lambda e: e.answer(gzip.compress(IMAGE), headers={"Content-Encoding": "GZIP, identity"}),
        "/label": lambda exchange: exchange.answer(IMAGE, headers={"Content-Encoding": "utf-8"}),
        "/locations": says("HTTP/1.1 302 Found\r\n", "Location: /length\r\n" * 2, "\r\n"),
    }
    with ScriptedServer(scripts) as server:
        for path in scripts:
            assert fetch(server.url(path)) == IMAGE, path


def test_says_who_asks_and_what_for(fetch: Fetch) -> None:
    """The request has facebeam's name, prefers images, and does not ask for compression."""
    with ScriptedServer({"/": lambda exchange: exchange.answer(IMAGE)}) as server:
        fetch(server.url("/"))
        headers = server.seen[0].headers
    assert headers["User-Agent"].startswith("facebeam/")
    assert headers["Accept"] == "image/*,*/*;q=0.5"
    assert headers["Accept-Encoding"] == "identity"


def test_a_connection_serves_many_images(fetch: Fetch) -> None:
    """The fetch uses one connection for three images of one server."""
    with ScriptedServer({"/": lambda exchange: exchange.answer(IMAGE)}) as server:
        assert [fetch(server.url("/")) for _ in range(3)] == [IMAGE] * 3
        assert (len(server.seen), server.connections) == (3, 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404 Not Found", ErrorCode.NOT_FOUND),
        ("410 Gone", ErrorCode.NOT_FOUND),
        ("401 Unauthorized", ErrorCode.FORBIDDEN),
        ("403 Forbidden", ErrorCode.FORBIDDEN),
        ("408 Request Timeout", ErrorCode.TIMEOUT),
        ("429 Too Many Requests", ErrorCode.TOO_MANY_REQUESTS),
        ("500 Internal Server Error", ErrorCode.SERVER_ERROR),
        ("503 Service Unavailable", ErrorCode.SERVER_ERROR),
        ("504 Gateway Timeout", ErrorCode.TIMEOUT),
        ("418 I'm a teapot", ErrorCode.HTTP_ERROR),
        ("304 Not Modified", ErrorCode.HTTP_ERROR),
        ("301 Moved Permanently", ErrorCode.TOO_MANY_REDIRECTS),
    ],
)
def test_a_status_has_its_code(status: str, code: ErrorCode) -> None:
    """Each status gives its error code, the status itself, and a message with URL and status."""
    failure = failure_from(answers(status))
    assert (failure.code, failure.http_status) == (code, int(status[:3]))
    assert failure.message.startswith("http://127.0.0.1:")
    assert f"HTTP {status[:3]} (" in failure.message


@pytest.mark.parametrize(("value", "seconds"), [("17", 17.0), ("Fri, 01 Jan 2100 00:00:00 GMT", 300.0)])
def test_hands_on_how_long_the_server_wants_to_be_left_alone(value: str, seconds: float) -> None:
    """The failure has the server's Retry-After in seconds; a date needs no Date header beside it."""
    assert failure_from(answers("429 Slow down", {"Retry-After": value})).retry_after_s == seconds


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param(
            says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "response_truncated", id="short"
        ),
        pytest.param(says(CHUNKED + "9\r\nshort"), "response_truncated", id="torn chunk"),
        pytest.param(says(CHUNKED + "5\r\nshort\r\n"), "response_truncated", id="no last chunk"),
        pytest.param(says(CHUNKED + "zz\r\nshort\r\n"), "response_truncated", id="no chunk size"),
        pytest.param(says(CHUNKED + "-5\r\nshort\r\n"), "response_truncated", id="negative chunk size"),
        pytest.param(
            says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain"), "response_truncated", id="no gzip"
        ),
        pytest.param(
            starts_then("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsho", Exchange.reset),
            "response_truncated",
            id="reset in the body",
        ),
        pytest.param(Exchange.reset, "connection_failed", id="reset before an answer"),
        pytest.param(says(), "connection_failed", id="closed before an answer"),
        pytest.param(
            says("HTTP/0.9 is what this is\r\n\r\n"), "response_truncated", id="garbled status line"
        ),
        pytest.param(says(bytes(range(256)) * 9), "response_truncated", id="no HTTP at all"),
        pytest.param(
            says("HTTP/1.1 200 OK\r\n", "X-Header: 1\r\n" * 1001, "\r\nimage"),
            "http_error",
            id="1001 headers",
        ),
        pytest.param(says(f"HTTP/1.1 200 OK\r\nX: {'x' * 70_000}\r\n\r\n"), "http_error", id="a long header"),
        pytest.param(
            says("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab"), "http_error", id="two lengths"
        ),
    ],
)
def test_a_broken_answer_has_its_code(script: Script, code: str) -> None:
    """Each kind of broken answer gives one error code and a short message."""
    failure = failure_from(script)
    assert failure.code == code, failure
    assert len(failure.message) < 700


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Exchange.hang, id="no headers"),
        pytest.param(starts_then("HTTP/1.1 200 OK\r\nContent-Le", Exchange.hang), id="half a header"),
        pytest.param(
            starts_then("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsho", Exchange.hang), id="half a body"
        ),
    ],
)
def test_a_silent_server_is_a_timeout(script: Script) -> None:
    """The read timeout ends a download if the server becomes silent, at any place of the answer."""
    assert failure_from(script, replace(LIMITS, read_timeout_s=0.2)).code is ErrorCode.TIMEOUT


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("", id="status line"),
        pytest.param("HTTP/1.1 200 OK\r\nX-Slow: ", id="header"),
        pytest.param("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", id="body"),
        pytest.param("HTTP/1.1 200 OK\r\n\r\n", id="endless body"),
        pytest.param(CHUNKED + "3e8\r\n", id="chunk"),
        pytest.param(CHUNKED + "3e8;", id="chunk extension"),
    ],
)
def test_a_dripping_server_is_a_timeout(start: str) -> None:
    """The deadline ends a slow drip, at any place of the answer; no read timeout would end it."""
    assert failure_from(starts_then(start, drips), HASTY).code is ErrorCode.TIMEOUT


def test_redirects_share_one_deadline() -> None:
    """The deadline covers all redirects together, even if each of them alone is fast enough."""

    def slow_hop(exchange: Exchange) -> None:
        sleep(0.15)
        exchange.answer(b"", "302 Found", {"Location": "/"})

    assert failure_from(slow_hop, HASTY).code is ErrorCode.TIMEOUT


def test_an_announced_giant_is_refused_unread() -> None:
    """A Content-Length of 10 GB ends the download before the server sends any of the body."""
    huge = starts_then(f"HTTP/1.1 200 OK\r\nContent-Length: {10 * 2**30}\r\n\r\n", Exchange.hang)
    failure = failure_from(huge)
    assert failure.code is ErrorCode.IMAGE_TOO_LARGE
    assert "10737418240 bytes announced" in failure.message


def _streams(start: str, piece: bytes, pieces: Callable[[], Iterator[bytes]] | None = None) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send(start)
        for part in pieces() if pieces else repeat(piece, 10_000):
            exchange.send(part)

    return script


def _bomb() -> Iterator[bytes]:
    """Give 1 GB of zeros as gzip, of which 1 MB remains, piece by piece."""
    packer = zlib.compressobj(wbits=31)
    yield from (packer.compress(bytes(2**20)) for _ in range(1024))
    yield packer.flush()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_streams("HTTP/1.1 200 OK\r\n\r\n", bytes(2**20)), id="10 GB without a length"),
        pytest.param(_streams(CHUNKED, b"100000\r\n" + bytes(2**20) + b"\r\n"), id="10 GB in chunks"),
        pytest.param(
            _streams("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"", _bomb), id="gzip bomb"
        ),
    ],
)
def test_an_endless_body_is_cut(script: Script) -> None:
    """The limit on decoded bytes ends a download whose length the server did not announce."""
    assert failure_from(script).code is ErrorCode.IMAGE_TOO_LARGE


def test_a_body_of_exactly_the_cap_is_fetched() -> None:
    """A body of exactly the limit is fetched, and one byte more gives `image_too_large`."""
    sizes: dict[str, Script] = {
        "/fits": lambda e: e.answer(bytes(1000)),
        "/over": lambda e: e.answer(bytes(1001)),
    }
    with ScriptedServer(sizes) as server, fetcher(replace(LIMITS, max_bytes=1000)).open() as fetch:
        assert len(fetch(server.url("/fits"))) == 1000
        assert failure_of(fetch, server.url("/over")).code is ErrorCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize("coding", ["br", "zstd, identity", "Compress"])
def test_a_coding_that_nobody_asked_for_is_named(coding: str) -> None:
    """A body in a coding that cannot be read gives `http_error`, and the message names the coding."""
    failure = failure_from(lambda exchange: exchange.answer(IMAGE, headers={"Content-Encoding": coding}))
    assert failure.code is ErrorCode.HTTP_ERROR
    assert f"Content-Encoding {coding.partition(',')[0].lower()} was not asked for" in failure.message


def test_a_url_is_sent_as_it_is_spelled(fetch: Fetch) -> None:
    """The request line has the URL's own escapes, letter case, dots and final `?`, byte for byte."""
    targets = [
        "/a%2fb/100%.jpg?sig=%e9%E9",
        "/exact.2f61",
        "/plain/a-b_c",
        "/../x//y.jpg",
        "/[{|}]^`.jpg",
        "/?",
        "/a.jpg?",
    ]
    with ScriptedServer({}) as server:
        for target in targets:
            assert failure_of(fetch, server.url(target)).code is ErrorCode.NOT_FOUND
        assert [exchange.target for exchange in server.seen] == targets


def test_a_redirect_in_any_encoding_is_followed(fetch: Fetch) -> None:
    """The bytes of a Location that are not ASCII are escaped as they are: Latin-1, UTF-8 and Shift-JIS."""
    locations = {"/1": "/caf\xe9.jpg", "/caf%E9.jpg": "/caf\xc3\xa9.jpg", "/caf%C3%A9.jpg": "\\\x83e"}
    scripts = {path: answers("302 Found", {"Location": location}) for path, location in locations.items()}
    with ScriptedServer(scripts | {"/%83e": lambda exchange: exchange.answer(IMAGE)}) as server:
        assert fetch(server.url("/1")) == IMAGE


def test_cookies_live_for_one_download_and_stay_with_their_host(fetch: Fetch) -> None:
    """A cookie that a redirect sets comes back to its own host, within this download only."""

    def wants_cookie(exchange: Exchange) -> None:
        if exchange.headers["Cookie"] == "seen=1":
            exchange.answer(b"", "302 Found", {"Location": other.url("/").replace("127.0.0.1", "localhost")})
        else:
            exchange.answer(b"", "302 Found", {"Location": "/", "Set-Cookie": "seen=1; Path=/"})

    with (
        ScriptedServer({"/": lambda exchange: exchange.answer(IMAGE)}) as other,
        ScriptedServer({"/": wants_cookie}) as server,
    ):
        assert [fetch(server.url("/")), fetch(server.url("/"))] == [IMAGE, IMAGE]
    assert [exchange.headers["Cookie"] for exchange in server.seen] == [None, "seen=1"] * 2
    assert [exchange.headers["Cookie"] for exchange in other.seen] == [None, None]


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_follows_redirects(fetch: Fetch, status: str) -> None:
    """The fetch follows redirects, relative and absolute ones, to the image."""
    with ScriptedServer({"/5": lambda exchange: exchange.answer(IMAGE)}) as server:
        places = ["1", "/2?x", "./3", server.url("/4"), f"//{server.authority}/5#top"]
        hops = {f"/{i}": answers(status, {"Location": place}) for i, place in enumerate(places)}
        server.scripts = {**server.scripts, **hops}
        assert fetch(server.url("/0")) == IMAGE


def test_the_body_of_a_redirect_is_not_read(fetch: Fetch) -> None:
    """The fetch does not wait for a redirect's own body, which never ends, and gives the image."""
    endless = starts_then("HTTP/1.1 302 Found\r\nLocation: /image\r\n\r\n", Exchange.hang)
    with ScriptedServer({"/": endless, "/image": lambda exchange: exchange.answer(IMAGE)}) as server:
        assert fetch(server.url("/")) == IMAGE


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("/", id="loop"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("ftp://127.0.0.1/image", id="ftp"),
        pytest.param("gopher:x", id="other scheme"),
        pytest.param("http://[bad/", id="no URL"),
        pytest.param("https://", id="no host"),
        pytest.param("http://a..b/", id="no host name"),
        pytest.param("http://127.0.0.1:99999/", id="no port"),
        pytest.param("http://\xff\xfe/", id="no host in UTF-8"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_given_up(location: str) -> None:
    """A loop, or a redirect to an invalid web address, gives `too_many_redirects`.

    The URL in the manifest was valid, so the code is not `invalid_manifest_row`.
    """
    assert failure_from(answers("302 Found", {"Location": location})).code is ErrorCode.TOO_MANY_REDIRECTS


def test_a_redirect_off_the_web_names_where_it_led() -> None:
    """The message names the target of the redirect, without its query."""
    failure = failure_from(answers("302 Found", {"Location": "ftp://files.example/a.jpg?s3cret"}))
    assert "redirects to ftp://files.example/a.jpg (" in failure.message


def test_a_redirect_to_a_forbidden_address_sends_nothing_there(fetch: Fetch) -> None:
    """The fetch opens no connection to a forbidden server, which listens and would have answered."""
    with ScriptedServer({"/": lambda exchange: exchange.answer(IMAGE)}, host="127.0.0.2") as private:
        with ScriptedServer({"/": answers("302 Found", {"Location": private.url("/")})}) as server:
            failure = failure_of(fetch, server.url("/"))
        with ImageFetcher(rule=lambda _: True).open() as marker:  # accepted after any earlier connection
            assert marker(private.url("/")) == IMAGE
        assert private.connections == 1
    assert failure.code is ErrorCode.FORBIDDEN_ADDRESS
    assert "127.0.0.2" in failure.message


def test_a_refused_connection_is_a_failed_one(fetch: Fetch) -> None:
    """A closed port gives `connection_failed` with the socket's own words."""
    with ScriptedServer({}) as server:
        url = server.url("/")
    failure = failure_of(fetch, url)
    assert failure.code is ErrorCode.CONNECTION_FAILED
    assert "Connection refused" in failure.message


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "bücher.invalid", "xn--bcher-kva.invalid"])
def test_an_unknown_host_is_not_found(fetch: Fetch, host: str) -> None:
    """An unknown host gives `host_not_found`, also if its name is an international one."""
    assert failure_of(fetch, f"http://{host}/a.jpg").code is ErrorCode.HOST_NOT_FOUND


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a.jpg",
        "http://a..b/",
        "http://ann:secret@a..b/",
        f"http://{'a' * 64}.invalid/",
        "http://[::1/a.jpg",
        "http://host:port/",
        "http://127.0.0.1:99999/",
        "http://*.example.com/",
        "http://\u2028.invalid/",
        "http://a\x00b.invalid/",
        "http://a%2Fb.invalid/",
        "http://%FF.invalid/",
        "https://\ud800/",
    ],
)
def test_a_url_that_cannot_be_asked_for_is_the_manifests_fault(fetch: Fetch, url: str) -> None:
    """A URL that cannot be requested gives `invalid_manifest_row`, with a message that Parquet can store."""
    failure = failure_of(fetch, url)
    assert failure.code is ErrorCode.INVALID_MANIFEST_ROW, failure
    failure.message.encode()


def test_messages_keep_secrets(fetch: Fetch) -> None:
    """The message of a failure contains neither query nor password, whatever the failure is."""
    scripts: dict[str, Script] = {
        "/404": answers("404 Not Found"),
        "/reset": Exchange.reset,
        "/torn": says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        "/garbled": says("\x01\r\n\r\n"),
        "/loop": answers("302 Found", {"Location": "/loop?signature=s3cret"}),
        "/nowhere": answers("302 Found", {"Location": "ftp://s3cret@h/?s3cret"}),
    }
    with ScriptedServer(scripts) as server:
        places = [*(f"{server.authority}{path}" for path in scripts), "none.invalid/", "a..b/", "[", "h:x/"]
        for place in places:
            assert "s3cret" not in failure_of(fetch, f"http://ann:s3cret@{place}?signature=s3cret").message, (
                place
            )


def test_user_and_password_go_to_their_own_host_only(fetch: Fetch) -> None:
    """The fetch sends the manifest's user and password only to their host, also after a redirect there."""
    with ScriptedServer({"/": lambda exchange: exchange.answer(IMAGE)}) as other:
        elsewhere = {"Location": f"http://eve:evil@{other.authority}/"}
        scripts = {"/": answers("302 Found", {"Location": "/here"}), "/here": answers("302 Found", elsewhere)}
        with ScriptedServer(scripts) as own:
            assert fetch(f"http://ann:p%40ss@{own.authority}/") == IMAGE
    assert [exchange.headers["Authorization"] for exchange in own.seen] == ["Basic YW5uOnBAc3M="] * 2
    assert [exchange.headers["Authorization"] for exchange in other.seen] == [None]


def test_the_page_has_the_largest_size_of_an_image() -> None:
    """docs/local-model.md says how many bytes a file may have; larger ones become `image_too_large`."""
    page = (ROOT / "docs/local-model.md").read_text()
    assert f"a file of at most {DOWNLOAD_LIMITS.max_bytes >> 20} MiB" in page
