"""Reach only allowed addresses: a `requests.Session` that cannot be talked into the network it runs in.

    name --getaddrinfo, once--> addresses --every one passes the rule--> connect to a checked address

The connection goes to the very address that was checked, so that a second answer of the name server changes
nothing; TLS and the Host header keep the name. Redirects and reused connections pass the same gate.
"""

import logging
import socket
from collections.abc import Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from facebeam.transforms.http.addresses import Address, AddressRule, allowed_addresses, is_public
from facebeam.transforms.http.response import LenientResponse, time_left_s


class _GuardedConnection(HTTPConnection):
    """Connects to addresses that its rule allows, and reads until the thread's deadline."""

    response_class = LenientResponse

    def __init__(self, *args: Any, rule: AddressRule, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        super().__init__(*args, **kwargs)
        self._rule = rule

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        """Send the target that `_GuardedAdapter` has wrapped."""
        super().putrequest(method, bytes.fromhex(url.removeprefix("/")).decode(), *args, **kwargs)

    def _new_conn(self) -> socket.socket:
        """Connect as urllib3 does, with its own exceptions; `_dns_host` still has the name's final dot."""
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


class _GuardedTLSConnection(_GuardedConnection, HTTPSConnection):
    """The same under TLS; certificate and SNI are the name's."""


class _GuardedPools(PoolManager):
    def __init__(self, rule: AddressRule, pools: int, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        super().__init__(pools, **kwargs)
        self._rule = rule

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        connection = _GuardedTLSConnection if scheme == "https" else _GuardedConnection
        pool.ConnectionCls = partial(connection, rule=self._rule)  # type: ignore[assignment]  # only called
        return pool


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, rule: AddressRule, pool_size: int, ca_data: str) -> None:
        self._rule = rule
        self._ca_data = ca_data
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: object) -> None:  # noqa: FBT001, FBT002 - requests' signature
        self.poolmanager = _GuardedPools(
            self._rule, connections, maxsize=maxsize, block=block, ca_cert_data=self._ca_data or None
        )

    def request_url(self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None) -> str:  # noqa: ARG002 - there are none
        """Wrap the target in hexadecimal, since urllib3 respells escapes; the connection unwraps it."""
        _, _, place = str(request.url).partition("://")
        return "/" + place[place.index("/") :].encode().hex()


class _GuardedSession(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find none: even with `allow_redirects=False` requests reads the whole body of a redirect."""


def guarded_session(
    rule: AddressRule = is_public, pool_size: int = 10, ca_data: str = ""
) -> requests.Session:
    """Open a session that connects to addresses which `rule` allows, and to nothing else.

    It trusts the usual certificate authorities, and those of `ca_data`, in PEM.

    Redirects are answers like others: whoever follows them asks for the next place as for the first. The
    session takes nothing from the environment (no proxy, no netrc, no CA bundle) and keeps no cookies. Many
    threads may use it; it keeps at most `pool_size` connections to a host, of `pool_size` hosts. Its `get`
    raises what requests and urllib3 raise, and `FailureError` with `forbidden_address`.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings print URLs with their query
    session = _GuardedSession()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _GuardedAdapter(rule, pool_size, ca_data))
    return session
