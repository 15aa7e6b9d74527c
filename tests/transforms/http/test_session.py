"""The guarded session over real sockets: where it connects, and what it ignores in its environment."""

import json
import os
import ssl
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.http.addresses import Address
from facebeam.transforms.http.errors import error_code
from facebeam.transforms.http.response import finished_within
from facebeam.transforms.http.session import http_session
from tests.helpers.scripted_server import Exchange, ScriptedServer


def anything(_: Address) -> bool:
    """Allow every address."""
    return True


def hello(exchange: Exchange) -> None:
    """Answer, and set a cookie."""
    exchange.answer(b"hello", headers={"Set-Cookie": "seen=1; Path=/"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0"])
def test_this_machine_is_out_of_reach_however_it_is_written(host: str) -> None:
    """Every spelling of this machine gives `forbidden_address` under the default rule, and no connection."""
    with ScriptedServer({"/": hello}) as server:
        port = server.authority.partition(":")[2]
        with http_session() as session, pytest.raises(FailureError) as caught:
            session.get(f"http://{host}:{port}/", timeout=10)
        with http_session(anything) as session:  # accepted after any earlier connection
            session.get(server.url("/"), timeout=10)
        assert server.connections == 1
    assert caught.value.failure.code is ErrorCode.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "10.0.0.1"])
def test_private_addresses_are_out_of_reach(host: str) -> None:
    """A private address gives `forbidden_address`, with http and with https, and nothing is sent."""
    for scheme in ("http", "https"):
        with http_session() as session, pytest.raises(FailureError) as caught:
            session.get(f"{scheme}://{host}:9/", timeout=10)
        assert caught.value.failure.code is ErrorCode.FORBIDDEN_ADDRESS
        assert "nothing was sent" in caught.value.failure.message


def test_a_host_is_looked_up_once_and_the_checked_address_connected_to() -> None:
    """The session looks up a host once per connection, and connects to the address that it checked.

    A second look-up could give another address.
    """
    with ScriptedServer({"/": hello}) as server:
        port = server.authority.partition(":")[2]
        seen = _run(
            f"""
            import json, sys
            from facebeam.transforms.http.session import http_session
            seen = {{"asked": [], "connected": []}}
            def watch(event, arguments):
                if event == "socket.getaddrinfo": seen["asked"].append(arguments[0])
                if event == "socket.connect": seen["connected"].append(arguments[1][0])
            sys.addaudithook(watch)
            with http_session(lambda address: address.is_loopback) as session:
                session.get("http://localhost:{port}/", timeout=10)
            print(json.dumps(seen))
            """
        )
    found: dict[str, list[str]] = json.loads(seen)
    assert found["asked"].count("localhost") == 1
    assert set(found["asked"]) == {"localhost", *found["connected"]}
    assert found["connected"][-1] == "127.0.0.1"


def test_the_server_is_asked_by_its_name() -> None:
    """The Host header has the host's name, although the session connects to an address."""
    with ScriptedServer({"/": hello}) as server, http_session(anything) as session:
        authority = server.authority.replace("127.0.0.1", "localhost")
        session.get(f"http://{authority}/", timeout=10)
        assert server.seen[0].headers["Host"] == authority


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Write a self-signed certificate for `localhost`, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = tmp_path / "localhost.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    )
    return file


def test_tls_checks_the_name_and_not_the_address(certificate: Path) -> None:
    """SNI and the certificate's check use the host's name; an unknown signer or another name is an error."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with ScriptedServer({"/": hello}, tls=context) as server, http_session(anything) as session:
        by_name = server.url("/").replace("127.0.0.1", "localhost")
        assert session.get(by_name, timeout=10, verify=str(certificate)).content == b"hello"
        assert named == ["localhost"]
        with pytest.raises(requests.exceptions.SSLError, match="self-signed") as untrusted:
            session.get(by_name, timeout=10)
        with pytest.raises(requests.exceptions.SSLError, match=r"127\.0\.0\.1"):
            session.get(server.url("/"), timeout=10, verify=str(certificate))
    assert error_code(untrusted.value) is ErrorCode.TLS_ERROR


def test_fails_to_connect_with_the_exceptions_of_requests() -> None:
    """An unknown host, a closed port and a slow connection raise the same exceptions as in any session."""
    with ScriptedServer({}) as server:
        closed = server.url("/")
    with http_session(anything) as session:
        with pytest.raises(requests.exceptions.ConnectionError, match="NameResolutionError"):
            session.get("http://does-not-exist.invalid/", timeout=10)
        with pytest.raises(requests.exceptions.ConnectionError, match="refused"):
            session.get(closed, timeout=10)
        with finished_within(0), pytest.raises(requests.exceptions.ConnectTimeout):
            session.get(closed, timeout=10)


def test_keeps_no_cookies() -> None:
    """The session does not send a cookie that an earlier answer has set."""
    with ScriptedServer({"/": hello}) as server, http_session(anything) as session:
        assert [session.get(server.url("/"), timeout=10).content for _ in range(2)] == [b"hello"] * 2
        assert [exchange.headers["Cookie"] for exchange in server.seen] == [None, None]


def test_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    """The session ignores the proxy variables and ~/.netrc; a proxy would see the manifest's URLs."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    with ScriptedServer({"/": hello}) as server, ScriptedServer({}) as proxy:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        body = _run(
            f"""
            from facebeam.transforms.http.session import http_session
            with http_session(lambda address: True) as session:
                print(session.get("{server.url("/")}", timeout=10).text)
            """,
            {"HOME": str(tmp_path)} | dict.fromkeys(names, f"http://{proxy.authority}"),
        )
        assert (body.strip(), server.seen[0].headers["Authorization"], proxy.connections) == (
            "hello",
            None,
            0,
        )


def test_logs_no_url(caplog: pytest.LogCaptureFixture) -> None:
    """The session logs nothing of a malformed header; urllib3 would log a warning with the whole URL."""
    malformed = "HTTP/1.1 200 OK\r\nNo header\r\n\r\nhello"
    with (
        ScriptedServer({"/": lambda exchange: exchange.send(malformed)}) as server,
        http_session(anything) as session,
    ):
        session.get(server.url("/?signature=s3cret"), timeout=10)
    assert "s3cret" not in caplog.text


def _run(script: str, environment: dict[str, str] | None = None) -> str:
    """Run a script in a separate process, in the folder of the packages, and give what it prints."""
    folder = Path(__file__).parents[3]
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True, check=True
    )
    return done.stdout
