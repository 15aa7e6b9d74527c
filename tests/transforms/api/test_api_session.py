"""The API session ignores its environment, unless it may trust the proxies that the environment names."""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facebeam.schemas.values import ImageRequest
from facebeam.transforms.api.client import ApiClient
from tests.helpers.paid_service import FaultyServer
from tests.helpers.paid_service_answers import answers, drips
from tests.helpers.scripted_server import Exchange, ScriptedServer
from tests.helpers.self_signed import self_signed_context

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
ASK = """
import os, sys
from facebeam.schemas.values import FailureError, ImageRequest
from facebeam.transforms.api.client import CALL_LIMITS, ApiClient
limits = CALL_LIMITS.within(0.3 if "hasty" in sys.argv else None)
with ApiClient(sys.argv[1], trust_proxies="trust" in sys.argv, limits=limits).open() as ask:
    try:
        print(len(ask(ImageRequest("https://example.com/a.jpg")).faces), "faces")
    except FailureError as error:
        print(error.failure.code, error.failure.maybe_billed)
"""


def run_ask(base_url: str, *words: str, **environment: str) -> str:
    """Make one call in a separate process, and give what it prints."""
    kept = {
        name: value for name, value in os.environ.items() if name not in {*PROXIES, "no_proxy", "NO_PROXY"}
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK, base_url, *words],
        cwd=Path(__file__).parents[3],
        env=kept | {"ACEDATACLOUD_API_TOKEN": "canary-0123456789"} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    return done.stdout.strip()


class Proxy(ScriptedServer):
    """An HTTP proxy that answers calls itself; a client sends it whole URLs."""

    def __init__(self, url: str, drip: bool = False) -> None:  # noqa: FBT001, FBT002 - a test's switch
        super().__init__({f"{url}/face/analyze": drips("HTTP/1.1 200 OK\r\nX-Slow: ") if drip else answers()})


@contextmanager
def both(*, drip: bool = False) -> Iterator[tuple[FaultyServer, Proxy, dict[str, str]]]:
    """Start a service and a proxy; give both, and the variables that name the proxy."""
    with FaultyServer() as server, Proxy(server.base_url, drip) as proxy:
        yield server, proxy, dict.fromkeys(PROXIES, f"http://{proxy.authority}")


def test_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    """The client ignores the proxy variables and ~/.netrc."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    with both() as (server, proxy, variables):
        assert run_ask(server.base_url, HOME=str(tmp_path), **variables) == "1 faces"
        assert (server.calls, proxy.connections) == (1, 0)
        assert server.seen[0].headers["authorization"] == "Bearer canary-0123456789"


def test_goes_through_a_proxy_when_asked_to(tmp_path: Path) -> None:
    """A client that trusts proxies calls through the proxy, with the token and not ~/.netrc's password."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    with both() as (server, proxy, variables):
        assert run_ask(server.base_url, "trust", HOME=str(tmp_path), **variables) == "1 faces"
        assert (server.calls, len(proxy.seen)) == (0, 1)
        assert proxy.seen[0].headers["authorization"] == "Bearer canary-0123456789"


def test_heeds_no_proxy() -> None:
    """A client that trusts proxies calls a host directly if NO_PROXY names it."""
    with both() as (server, proxy, variables):
        assert run_ask(server.base_url, "trust", NO_PROXY="127.0.0.1", **variables) == "1 faces"
        assert (server.calls, proxy.connections) == (1, 0)


def tunnel(exchange: Exchange) -> None:
    """Answer CONNECT as a proxy does: pass bytes on, both ways, until one side closes."""
    host, _, port = exchange.target.partition(":")
    near = exchange.connection
    with socket.create_connection((host, int(port))) as far:
        exchange.send("HTTP/1.1 200 Connection established\r\n\r\n")
        while ready := select.select([near, far], [], [], 60)[0]:
            for side in ready:
                passed = side.recv(65536)
                if not passed:
                    return
                (far if side is near else near).sendall(passed)


def test_goes_to_https_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a proxy the client talks TLS with the service itself; the proxy sees no token."""
    with FaultyServer(tls=self_signed_context(tmp_path)) as server:
        base_url = server.base_url.replace("127.0.0.1", "localhost")
        with ScriptedServer({base_url.removeprefix("https://"): tunnel}) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.authority}")
            monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "canary-0123456789")
            trusted = (tmp_path / "localhost.pem").read_text()
            with ApiClient(base_url, trust_proxies=True, ca_data=trusted).open() as ask:
                assert len(ask(ImageRequest("https://example.com/a.jpg")).faces) == 1
        assert [exchange.method for exchange in proxy.seen] == ["CONNECT"]
        assert "authorization" not in proxy.seen[0].headers
        assert server.calls == 1


def test_a_slow_drip_through_a_proxy_ends_too() -> None:
    """The deadline also ends a call when the proxy itself sends single bytes slowly."""
    with both(drip=True) as (server, _, variables):
        assert run_ask(server.base_url, "trust", "hasty", **variables) == "timeout True"


def test_a_proxy_that_is_not_there_bills_nothing() -> None:
    """A call fails with `connection_failed` and is not billed if the proxy does not answer."""
    with both() as (server, proxy, variables):
        pass
    assert proxy.connections == 0
    assert run_ask(server.base_url, "trust", **variables) == "connection_failed False"


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_keeps_no_cookies_and_follows_nothing(status: str) -> None:
    """A redirect that sets a cookie fails with `http_error` after one call; the client does not follow it."""

    def leads_away(exchange: Exchange) -> None:
        exchange.answer(b"", status, {"Location": "/face/analyze?again", "Set-Cookie": "seen=1"})

    with FaultyServer(leads_away) as server:
        assert run_ask(server.base_url) == "http_error True"
        assert server.calls == 1
