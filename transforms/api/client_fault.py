"""What it means when a call ends without a whole answer, and whether it may have been billed all the same.

"Not sent" cannot be billed: there was no connection to send it by. Everything else may have been.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests.exceptions as rq
import urllib3.exceptions as u3

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure
from facebeam.transforms.http.errors import error_code, telling
from facebeam.transforms.http.shown_text import kept_text

_NOT_SENT: Final = (
    *(u3.NewConnectionError, u3.NameResolutionError, u3.ConnectTimeoutError, rq.ConnectTimeout),
    *(rq.SSLError, u3.SSLError, ssl.SSLError),
    *(u3.EmptyPoolError, u3.FullPoolError, u3.ClosedPoolError),
    *(ConnectionRefusedError, socket.gaierror),
    # a URL or header that the library itself refuses
    *(rq.URLRequired, rq.MissingSchema, rq.InvalidSchema, rq.InvalidURL),
    *(u3.LocationValueError, u3.URLSchemeUnknown, http.client.InvalidURL, UnicodeError),
    *(u3.ProxySchemeUnknown, u3.ProxySchemeUnsupported),
    *(rq.ProxyError, u3.ProxyError),  # raised only before the proxy has connected us
)
_MAYBE_SENT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # hung up: in the handshake, or on the answer

_HERE: Final = {
    ErrorCode.INVALID_MANIFEST_ROW: ErrorCode.API_NOT_IMPLEMENTED,  # the URL is --base-url
    ErrorCode.TOO_MANY_REDIRECTS: ErrorCode.HTTP_ERROR,  # none is followed
}


def client_fault(error: Exception, host: str) -> Failure:
    """Translate what requests, urllib3 or a socket raised; told are their classes and a socket's words.

    >>> client_fault(rq.ConnectTimeout(), "api.example.com").maybe_billed
    False
    """
    code = error_code(error)
    message = kept_text(f"{host}: {_detail(error)} ({_HERE.get(code, code).meaning})")
    return Failure(_HERE.get(code, code), message, stage="annotate", maybe_billed=_maybe_billed(error))


def _maybe_billed(error: Exception) -> bool:
    """Judge by every wrapper: the innermost TimeoutError does not say that connecting timed out."""
    wrapped = list(_with_all_it_wraps(error))
    not_sent = any(isinstance(each, _NOT_SENT) for each in wrapped)
    return not not_sent or any(isinstance(each, _MAYBE_SENT) for each in wrapped)


def _with_all_it_wraps(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, Exception):
            yield from _with_all_it_wraps(inner)


def _detail(error: Exception) -> str:
    """Say what happened: a socket in its own words, others by name, for their text may hold headers."""
    told = telling(error)
    own_words = isinstance(told, OSError) and not isinstance(told, rq.RequestException)
    return str(told) if own_words else type(told).__name__
