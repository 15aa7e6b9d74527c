"""Translate exceptions of HTTP libraries: into an error code, a text, and whether the request was sent.

requests and urllib3 wrap exceptions: ConnectionError(MaxRetryError(NameResolutionError(gaierror))). The
innermost exception with a code decides. A broken body is `response_truncated`, whatever broke it.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests.exceptions as rq
import urllib3.exceptions as u3

from facebeam.schemas.errors import ErrorCode

CLASSES: Final[dict[ErrorCode, tuple[type[Exception], ...]]] = {
    ErrorCode.INVALID_MANIFEST_ROW: (
        *(rq.URLRequired, rq.MissingSchema, rq.InvalidSchema, rq.InvalidURL, rq.InvalidHeader),
        *(u3.LocationValueError, u3.LocationParseError, u3.URLSchemeUnknown),
        *(http.client.InvalidURL, UnicodeError),  # UnicodeError: a host that IDNA cannot write
    ),
    ErrorCode.HOST_NOT_FOUND: (u3.NameResolutionError, socket.gaierror),
    ErrorCode.CONNECTION_FAILED: (
        *(rq.ConnectionError, rq.ProxyError),
        *(u3.NewConnectionError, u3.ProtocolError, u3.ProxyError, u3.MaxRetryError),
        *(u3.PoolError, u3.RequestError, u3.EmptyPoolError, u3.FullPoolError, u3.ClosedPoolError),
        *(http.client.RemoteDisconnected, OSError),
        *(ssl.SSLEOFError, ssl.SSLZeroReturnError),  # closed during the handshake: not a matter of trust
    ),
    ErrorCode.TLS_ERROR: (rq.SSLError, u3.SSLError, ssl.SSLError),
    ErrorCode.TIMEOUT: (
        *(rq.Timeout, rq.ConnectTimeout, rq.ReadTimeout),
        *(u3.TimeoutError, u3.ConnectTimeoutError, u3.ReadTimeoutError, TimeoutError),
    ),
    ErrorCode.TOO_MANY_REDIRECTS: (rq.TooManyRedirects,),
    ErrorCode.RESPONSE_TRUNCATED: (
        *(rq.ChunkedEncodingError, rq.ContentDecodingError),
        *(u3.DecodeError, u3.IncompleteRead, u3.InvalidChunkLength, http.client.IncompleteRead),
        *(u3.ResponseNotChunked, u3.BodyNotHttplibCompatible),
        # not HTTP, or the rest of an earlier answer on this connection: a new connection may do better
        http.client.BadStatusLine,
    ),
    ErrorCode.HTTP_ERROR: (
        *(rq.HTTPError, u3.InvalidHeader, u3.HeaderParsingError),
        http.client.HTTPException,  # too many headers, or a header that is too long
    ),
    ErrorCode.INVALID_RESPONSE: (rq.InvalidJSONError, rq.JSONDecodeError),
    ErrorCode.OTHER: (  # base classes, which are never raised, and errors of the caller
        *(rq.RequestException, rq.RetryError, rq.StreamConsumedError, rq.UnrewindableBodyError),
        *(u3.HTTPError, u3.ResponseError, u3.TimeoutStateError, u3.UnrewindableBodyError),
        *(u3.HostChangedError, rq.InvalidProxyURL, u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported),
    ),
}
"""Every exception of requests, urllib3 and the sockets below them, by the error code of the image."""

FOREIGN: Final = (OSError, u3.HTTPError, UnicodeError)
"""Base classes of all exceptions of sending and reading; requests' own exceptions are OSErrors."""
_NOT_SENT: Final = (  # there was no connection
    *(u3.NewConnectionError, u3.NameResolutionError, u3.ConnectTimeoutError, rq.ConnectTimeout),
    *(rq.SSLError, u3.SSLError, ssl.SSLError),
    *(u3.EmptyPoolError, u3.FullPoolError, u3.ClosedPoolError),
    *(ConnectionRefusedError, socket.gaierror),
    # a URL or header that the library itself refuses
    *(rq.URLRequired, rq.MissingSchema, rq.InvalidSchema, rq.InvalidURL),
    *(u3.LocationValueError, u3.URLSchemeUnknown, http.client.InvalidURL, UnicodeError),
    *(u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported),
    *(rq.ProxyError, u3.ProxyError),  # raised only before the proxy has made the connection
)
_MAYBE_SENT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # in the handshake, or before the answer

_CODES: Final = {foreign: code for code, classes in CLASSES.items() for foreign in classes}
_BROKEN_BODY: Final = (rq.ChunkedEncodingError, rq.ContentDecodingError)


def error_code(error: Exception) -> ErrorCode:
    """Give the error code for an exception of requests or urllib3.

    >>> error_code(rq.SSLError()), error_code(rq.ConnectionError(u3.ReadTimeoutError(None, None, "slow")))
    (<ErrorCode.TLS_ERROR: 'tls_error'>, <ErrorCode.TIMEOUT: 'timeout'>)
    """
    return _code_of(telling(error)) or ErrorCode.OTHER


def telling(error: Exception) -> Exception:
    """Give the innermost exception that has a code: it says what happened."""
    inner = None if isinstance(error, _BROKEN_BODY) else next(_inner(error), None)
    if inner is None or _code_of(told := telling(inner)) is None:
        return error
    return told


def error_text(error: Exception) -> str:
    """Describe an exception: a socket's error by its text, others by class: their text may hold secrets."""
    told = telling(error)
    own_words = isinstance(told, OSError) and not isinstance(told, rq.RequestException)
    return str(told) if own_words else type(told).__name__


def is_maybe_sent(error: Exception) -> bool:
    """Tell whether the other side may have received and billed the request; False only if that is certain.

    All wrapping exceptions are checked: the innermost TimeoutError does not say that connecting timed out.
    """
    wrapped = [*_with_all_it_wraps(error)]
    not_sent = any(isinstance(each, _NOT_SENT) for each in wrapped)
    return not not_sent or any(isinstance(each, _MAYBE_SENT) for each in wrapped)


def _with_all_it_wraps(error: Exception) -> Iterator[Exception]:
    yield error
    for inner in _inner(error):
        yield from _with_all_it_wraps(inner)


def _inner(error: Exception) -> Iterator[Exception]:
    """List the exceptions that one wraps; not `__context__`, which may be an unrelated one of the caller."""
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__)
    return (inner for inner in candidates if isinstance(inner, Exception))


def _code_of(error: Exception) -> ErrorCode | None:
    """Look up an exception by its nearest base class, so that the order of the table does not matter."""
    return next((_CODES[known] for known in type(error).__mro__ if known in _CODES), None)
