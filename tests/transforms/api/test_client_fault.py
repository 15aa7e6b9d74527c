"""Every exception of the HTTP libraries becomes a failure that says whether the call may have been billed."""

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
from facebeam.transforms.api.client import client_fault

POOL = HTTPConnectionPool("example.com")
CONNECTION = HTTPConnection("example.com")
NOT_SENT = {
    *(rq.ConnectTimeout, rq.SSLError, rq.ProxyError, rq.URLRequired, rq.MissingSchema, rq.InvalidSchema),
    *(rq.InvalidURL, rq.InvalidProxyURL),
    *(u3.ConnectTimeoutError, u3.NewConnectionError, u3.NameResolutionError, u3.SSLError, u3.ProxyError),
    *(u3.EmptyPoolError, u3.FullPoolError, u3.ClosedPoolError),
    *(u3.LocationValueError, u3.LocationParseError, u3.URLSchemeUnknown),
    *(u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported),
}
"""Exceptions without a connection, so that nothing was sent. After all others the call may be billed."""


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    """List the exceptions that a module defines; leave out warnings, which are never raised."""
    kinds = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    own = {kind for kind in kinds if kind.__module__ == module.__name__ and not issubclass(kind, Warning)}
    return sorted(own, key=lambda kind: kind.__name__)


@pytest.mark.parametrize(
    "kind", [*exceptions_of(rq), *exceptions_of(u3)], ids=lambda kind: f"{kind.__module__}.{kind.__name__}"
)
def test_every_exception_has_its_billing(kind: type[Exception]) -> None:
    """Each exception becomes a failure, which counts as billed unless the list above names the exception."""
    failure = client_fault(kind.__new__(kind), "api.example.com")
    assert failure.maybe_billed == (kind not in NOT_SENT)
    assert (failure.stage, failure.was_sent) == ("annotate", True)
    assert failure.message.startswith("api.example.com: ")


def test_the_walk_meets_all_of_them() -> None:
    """The libraries define every exception of the list above, and more than 50 in all."""
    kinds = {*exceptions_of(rq), *exceptions_of(u3)}
    assert kinds > NOT_SENT
    assert len(kinds) > 50


@pytest.mark.parametrize(
    ("error", "code", "billed"),
    [
        (
            rq.ConnectTimeout(u3.MaxRetryError(POOL, "/", u3.ConnectTimeoutError(CONNECTION, "slow"))),
            ErrorCode.TIMEOUT,
            False,
        ),
        (
            rq.ConnectionError(u3.MaxRetryError(POOL, "/", u3.NewConnectionError(CONNECTION, "no route"))),
            ErrorCode.CONNECTION_FAILED,
            False,
        ),
        (
            rq.ConnectionError(
                u3.MaxRetryError(POOL, "/", u3.NameResolutionError("h", CONNECTION, socket.gaierror()))
            ),
            ErrorCode.HOST_NOT_FOUND,
            False,
        ),
        (
            rq.SSLError(u3.MaxRetryError(POOL, "/", u3.SSLError(ssl.SSLCertVerificationError()))),
            ErrorCode.TLS_ERROR,
            False,
        ),
        (
            rq.SSLError(u3.MaxRetryError(POOL, "/", u3.SSLError(ssl.SSLEOFError()))),
            ErrorCode.CONNECTION_FAILED,
            True,
        ),
        (rq.ReadTimeout(u3.ReadTimeoutError(POOL, "/", "silent")), ErrorCode.TIMEOUT, True),
        (
            rq.ConnectionError(u3.ProtocolError("", http.client.RemoteDisconnected(""))),
            ErrorCode.CONNECTION_FAILED,
            True,
        ),
        (
            rq.ConnectionError(u3.ProtocolError("", ConnectionResetError())),
            ErrorCode.CONNECTION_FAILED,
            True,
        ),
        (
            rq.ChunkedEncodingError(u3.ProtocolError("", ConnectionResetError())),
            ErrorCode.RESPONSE_TRUNCATED,
            True,
        ),
        (
            rq.ConnectionError(u3.ProtocolError("", http.client.BadStatusLine("?"))),
            ErrorCode.RESPONSE_TRUNCATED,
            True,
        ),
        (UnicodeError("label too long"), ErrorCode.API_NOT_IMPLEMENTED, False),
        (rq.TooManyRedirects(), ErrorCode.HTTP_ERROR, True),
    ],
)
def test_wrapped_exceptions_tell(error: Exception, code: ErrorCode, billed: bool) -> None:  # noqa: FBT001 - the table's column
    """The innermost exception, as requests wraps it, decides code and billing."""
    failure = client_fault(error, "api.example.com")
    assert (failure.code, failure.maybe_billed) == (code, billed)


def test_foreign_words_are_not_repeated() -> None:
    """The failure's message leaves out a library's own text, which may contain headers and URLs."""
    error = rq.InvalidHeader("Invalid header value: 'Bearer canary'")
    assert "canary" not in client_fault(error, "api.example.com").message
