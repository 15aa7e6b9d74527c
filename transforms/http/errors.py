"""Translate what HTTP libraries raise and servers answer into error codes.

requests and urllib3 wrap: ConnectionError(MaxRetryError(NameResolutionError(gaierror))). The innermost
exception that has a code tells; only a body that broke is a body that broke, whatever broke it.
"""

import http.client
import socket
import ssl
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
        *(ssl.SSLEOFError, ssl.SSLZeroReturnError),  # hung up in the handshake: says nothing of trust
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
    ),
    ErrorCode.HTTP_ERROR: (
        *(rq.HTTPError, u3.InvalidHeader, u3.HeaderParsingError),
        http.client.HTTPException,  # no HTTP at all: a garbled status line, hundreds of headers
    ),
    ErrorCode.INVALID_RESPONSE: (rq.InvalidJSONError, rq.JSONDecodeError),
    ErrorCode.OTHER: (  # the bases, which nobody raises, and the faults of a caller
        *(rq.RequestException, rq.RetryError, rq.StreamConsumedError, rq.UnrewindableBodyError),
        *(u3.HTTPError, u3.ResponseError, u3.TimeoutStateError, u3.UnrewindableBodyError),
        *(u3.HostChangedError, rq.InvalidProxyURL, u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported),
    ),
}
"""Every exception of requests, urllib3 and the sockets below them, by what it means for an image."""

_CODES: Final = {foreign: code for code, classes in CLASSES.items() for foreign in classes}
_BROKEN_BODY: Final = (rq.ChunkedEncodingError, rq.ContentDecodingError)


def error_code(error: Exception) -> ErrorCode:
    """Tell what an exception of requests or urllib3 means.

    >>> error_code(rq.SSLError()), error_code(rq.ConnectionError(u3.ReadTimeoutError(None, None, "slow")))
    (<ErrorCode.TLS_ERROR: 'tls_error'>, <ErrorCode.TIMEOUT: 'timeout'>)
    """
    return _code_of(telling(error)) or ErrorCode.OTHER


def telling(error: Exception) -> Exception:
    """Give the innermost exception that has a code: the one that tells what happened."""
    inner = None if isinstance(error, _BROKEN_BODY) else _wrapped(error)
    if inner is None or _code_of(told := telling(inner)) is None:
        return error
    return told


def _wrapped(error: Exception) -> Exception | None:
    """Find what an exception wraps. Not `__context__`: that may be the caller's own, unrelated trouble."""
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((inner for inner in candidates if isinstance(inner, Exception)), None)


def _code_of(error: Exception) -> ErrorCode | None:
    """Look an exception up by its nearest class, so that order in the table means nothing."""
    return next((_CODES[known] for known in type(error).__mro__ if known in _CODES), None)
