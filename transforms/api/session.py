"""The connections to the service: pooled, without redirects, cookies or anything from the environment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from facebeam.transforms.http.addresses import any_address
from facebeam.transforms.http.response import LenientResponse
from facebeam.transforms.http.session import guarded_session

_HERE: Final = local()


@contextmanager
def told_when_sent(tell: Callable[[], None]) -> Iterator[None]:
    """Have `tell` called when this thread has sent a request whole, and at the end of the block.

    Args:
        tell: may be called twice.
    """
    _HERE.tell = tell
    try:
        yield
    finally:
        del _HERE.tell
        tell()


def request_is_sent() -> None:
    """Take note that this thread has sent its request."""
    tell: Callable[[], None] | None = getattr(_HERE, "tell", None)
    if tell:
        tell()


class _Connection(HTTPConnection):
    """Reads until the thread's deadline; never prints what it sends, as http.client does when debugged."""

    response_class = LenientResponse
    debuglevel = 0

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's stub names its own base class
        """Wait for the answer: the request is sent."""
        request_is_sent()
        return super().getresponse()


class _TLSConnection(_Connection, HTTPSConnection):
    """The same under TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def _with_our_pools(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager


class _Adapter(HTTPAdapter):
    """Uses our connections, also those that go through a proxy."""

    def __init__(self, pool_size: int, ca_data: str) -> None:
        self._ca_cert_data = ca_data or None
        super().__init__(pool_connections=1, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        super().init_poolmanager(*args, ca_cert_data=self._ca_cert_data, **kwargs)
        _with_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:  # noqa: ANN401 - requests' own
        return _with_our_pools(super().proxy_manager_for(proxy, ca_cert_data=self._ca_cert_data, **kwargs))


def api_session(url: str, pool_size: int, *, trust_proxies: bool, ca_data: str = "") -> requests.Session:
    """Open a session for one URL and at most `pool_size` threads.

    Args:
        url: what will be asked for.
        pool_size: connections that are kept.
        trust_proxies: take the proxy for this URL from the environment (`HTTPS_PROXY`, `NO_PROXY`, ...), and
            nothing else: a netrc would replace the token.
        ca_data: certificates to trust besides the usual ones, in PEM.
    """
    session = guarded_session(any_address, pool_size)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_size, ca_data))
    if trust_proxies:
        session.proxies.update(get_environ_proxies(url))
    return session
