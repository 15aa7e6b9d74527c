"""A `requests.Session` that connects to allowed addresses only, so that no URL can reach the private network.

    name --getaddrinfo, once--> addresses --the rule allows each--> connect to a checked address

The connection goes to the same address that was checked, so a second answer of the name server changes
nothing. TLS and the Host header still use the name. Redirects are checked too, and a reused connection leads
to an address that was checked.
"""

import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from threading import local
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from facebeam.transforms.http.addresses import Address, AddressRule, allowed_addresses, is_public
from facebeam.transforms.http.response import LenientResponse, time_left_s

_PLAIN: Final = re.compile(r"(/[\w-]+)+", re.ASCII)
"""A request's target that urllib3 does not respell."""
_WRAPPED: Final = "/exact."
"""Prefix of a target in hexadecimal; a plain target has no dot."""
_HERE: Final = local()


@contextmanager
def told_when_sent(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` when this thread has sent a complete request, and again at the end of the block.

    Args:
        tell: called once or twice.
    """
    _HERE.tell = tell
    try:
        yield
    finally:
        del _HERE.tell
        tell()


class _Connection(HTTPConnection):
    """Connects only to addresses that its rule allows, and reads until the thread's deadline.

    It never prints what it sends, which http.client does in debug mode.
    """

    response_class = LenientResponse
    debuglevel = 0

    def __init__(self, *args: Any, rule: AddressRule, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        super().__init__(*args, **kwargs)
        self._rule = rule

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        """Send the target as it was before `_Adapter` encoded it."""
        exact = bytes.fromhex(url.removeprefix(_WRAPPED)).decode() if url.startswith(_WRAPPED) else url
        super().putrequest(method, exact, *args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's stub names its own base class
        """Report that the request was sent, then wait for the response."""
        getattr(_HERE, "tell", lambda: None)()
        return super().getresponse()

    def _new_conn(self) -> socket.socket:
        """Connect, with urllib3's exceptions; unlike `host`, `_dns_host` keeps the final dot of a name."""
        try:
            return self._first_connected(allowed_addresses(self._dns_host, self.port, self._rule))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _first_connected(self, addresses: list[Address]) -> socket.socket:
        failed = OSError(f"{self.host} has no address")
        for address in addresses:
            place, wait_s = (str(address), self.port), time_left_s(self.timeout)
            try:  # a numeric address is not looked up again
                return create_connection(place, wait_s, socket_options=self.socket_options)
            except OSError as error:
                failed = error
        raise failed


class _TLSConnection(_Connection, HTTPSConnection):
    """The same with TLS; SNI and the check of the certificate use the name."""


class _Adapter(HTTPAdapter):
    """Makes a session use the connections above, also through a proxy."""

    def __init__(self, rule: AddressRule, pool_size: int, ca_data: str) -> None:
        self._rule = rule
        self._ca_cert_data = ca_data or None
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        super().init_poolmanager(*args, ca_cert_data=self._ca_cert_data, **kwargs)
        self._with_our_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:  # noqa: ANN401 - requests' own
        manager = super().proxy_manager_for(proxy, ca_cert_data=self._ca_cert_data, **kwargs)
        return self._with_our_connections(manager)

    def request_url(self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None) -> str:
        """Encode the target in hexadecimal, because urllib3 respells escapes; the connection decodes it."""
        asked = super().request_url(request, proxies)
        if not asked.startswith("/"):  # a whole URL, for a proxy
            return asked
        _, _, place = str(request.url).partition("://")
        target = place[place.index("/") :]
        return target if _PLAIN.fullmatch(target) else _WRAPPED + target.encode().hex()

    def _with_our_connections(self, manager: PoolManager) -> PoolManager:
        class Pool(HTTPConnectionPool):
            ConnectionCls = staticmethod(partial(_Connection, rule=self._rule))  # type: ignore[assignment]  # only called

        class TLSPool(HTTPSConnectionPool):
            ConnectionCls = staticmethod(partial(_TLSConnection, rule=self._rule))  # type: ignore[assignment]  # only called

        manager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
        return manager


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find no target: even with `allow_redirects=False`, requests reads the whole body of a redirect."""


def http_session(
    rule: AddressRule = is_public,
    pool_size: int = 10,
    ca_data: str = "",
    proxies: Mapping[str, str] | None = None,
) -> requests.Session:
    """Open a session that connects only to addresses which `rule` allows.

    The session does not follow redirects: the caller sends the next request, which is checked like the first.
    It takes nothing from the environment (no proxy, no netrc, no CA bundle) and stores no cookies. Many
    threads may use it. Its `send` raises exceptions of requests and urllib3, and `FailureError` with
    `forbidden_address`.

    Args:
        rule: tells which addresses may be connected to; with a proxy, it is applied to the proxy's addresses.
        pool_size: number of connections to keep open per host, and number of hosts.
        ca_data: additional certificates to trust, in PEM.
        proxies: URL scheme -> URL of the proxy, as in requests. None: no proxy.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings print URLs with their query
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.proxies.update(proxies or {})
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(rule, pool_size, ca_data))
    return session
