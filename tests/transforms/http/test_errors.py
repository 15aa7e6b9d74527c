"""Every exception of the HTTP libraries has a code that was chosen for it."""

import http.client
import socket
import ssl
from types import ModuleType

import pytest
import requests.exceptions as rq
import urllib3.exceptions as u3
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.http.errors import CLASSES, error_code, telling

POOL = HTTPConnectionPool("example.com")
CONNECTION = HTTPConnection("example.com")


def exceptions_of(module: ModuleType) -> set[type[Exception]]:
    """List the exceptions that a module defines; leave out warnings, which are never raised."""
    kinds = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    return {kind for kind in kinds if kind.__module__ == module.__name__ and not issubclass(kind, Warning)}


@pytest.mark.parametrize("module", [rq, u3])
def test_every_exception_stands_in_the_table(module: ModuleType) -> None:
    """The table names each exception, so that a new exception of a new release is noticed."""
    named = {kind for kinds in CLASSES.values() for kind in kinds}
    offered = exceptions_of(module)
    assert len(offered) > 20
    assert offered <= named


def test_no_exception_stands_there_twice() -> None:
    """Each exception has one code."""
    named = [kind for kinds in CLASSES.values() for kind in kinds]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (rq.SSLError("a ConnectionError too"), ErrorCode.TLS_ERROR),
        (rq.ConnectTimeout("a ConnectionError too"), ErrorCode.TIMEOUT),
        (
            rq.SSLError(u3.MaxRetryError(POOL, "/", u3.SSLError(ssl.SSLCertVerificationError()))),
            ErrorCode.TLS_ERROR,
        ),
        (
            rq.SSLError(u3.MaxRetryError(POOL, "/", u3.SSLError(ssl.SSLEOFError()))),
            ErrorCode.CONNECTION_FAILED,
        ),
        (rq.ConnectionError(u3.ReadTimeoutError(POOL, "/", "silent")), ErrorCode.TIMEOUT),
        (
            rq.ConnectionError(u3.ProtocolError("", http.client.RemoteDisconnected(""))),
            ErrorCode.CONNECTION_FAILED,
        ),
        (
            rq.ConnectionError(u3.ProtocolError("", http.client.BadStatusLine("?"))),
            ErrorCode.RESPONSE_TRUNCATED,
        ),
        (rq.ConnectionError(u3.ProtocolError("", http.client.LineTooLong("h"))), ErrorCode.HTTP_ERROR),
        (
            rq.ConnectionError(u3.MaxRetryError(POOL, "/", u3.NewConnectionError(CONNECTION, ""))),
            ErrorCode.CONNECTION_FAILED,
        ),
        (
            rq.ConnectionError(
                u3.MaxRetryError(POOL, "/", u3.NameResolutionError("h", CONNECTION, socket.gaierror()))
            ),
            ErrorCode.HOST_NOT_FOUND,
        ),
        (rq.ChunkedEncodingError(u3.ProtocolError("", ConnectionResetError())), ErrorCode.RESPONSE_TRUNCATED),
        (rq.InvalidHeader(u3.InvalidHeader("the server's")), ErrorCode.HTTP_ERROR),
        (rq.InvalidHeader("our own"), ErrorCode.INVALID_MANIFEST_ROW),
        (UnicodeError("label too long"), ErrorCode.INVALID_MANIFEST_ROW),
        (rq.RequestException("nobody raises the base"), ErrorCode.OTHER),
        (KeyError("not an HTTP library's"), ErrorCode.OTHER),
    ],
)
def test_the_innermost_exception_tells(error: Exception, code: ErrorCode) -> None:
    """The innermost exception decides the code, not the exceptions that wrap it."""
    assert error_code(error) is code


def test_an_unknown_cause_leaves_the_word_to_what_wraps_it() -> None:
    """If the innermost exception has no code, the nearest wrapper that has one decides."""
    wrapper = u3.SSLError(KeyError())
    assert telling(rq.SSLError(wrapper)) is wrapper


def test_unrelated_trouble_of_the_caller_is_not_a_cause() -> None:
    """An exception that was being handled when this one was raised does not decide the code."""
    error = rq.InvalidURL("no host")
    error.__context__ = TimeoutError()
    assert error_code(error) is ErrorCode.INVALID_MANIFEST_ROW
