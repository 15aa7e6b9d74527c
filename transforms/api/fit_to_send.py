"""Refuse to send image URLs that contain a password, or that lead into a private network."""

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import urlsplit

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.http.addresses import Address, destination, is_public
from facebeam.transforms.http.shown_text import shown_url

# RFC 6761, RFC 6762, ICANN 2024, RFC 8375
_PRIVATE_DOMAINS: Final = (".localhost", ".local", ".internal", ".home.arpa")
_NAME: Final = re.compile(r"[\w-]+(\.[\w-]+)+")


def check_fit_to_send(url: str) -> None:
    """Refuse a URL that contains a secret, or that the service cannot reach. No host name is looked up.

    Raises:
        FailureError: `forbidden_address`, not sent.
    """
    if (reason := _why_not(url)) is not None:
        message = (
            f"{shown_url(url)} {reason}; it was not sent: use a public URL, or give --allow-private-urls"
        )
        raise FailureError(Failure(ErrorCode.FORBIDDEN_ADDRESS, message, stage="annotate", was_sent=False))


def is_fit_to_send(url: str) -> bool:
    """Tell whether `check_fit_to_send` accepts a URL."""
    return _why_not(url) is None


def _why_not(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "has no readable host"
    if "@" in parts.netloc:
        return "has a user or password, which would be sent to the service"
    host = _spelt_plainly(parts.hostname or "")
    return (
        None
        if _is_public_host(host)
        else f"has the host {host[:100]!r}, which is not a public name or address"
    )


def _spelt_plainly(host: str) -> str:
    """Spell a host as resolvers read it: full-width characters in ASCII, no final dot."""
    return unicodedata.normalize("NFKC", host).lower().removesuffix(".")


def _is_public_host(host: str) -> bool:
    if address := _literal(host):
        return is_public(destination(address))
    return bool(_NAME.fullmatch(host)) and not host.endswith(_PRIVATE_DOMAINS)


def _literal(host: str) -> Address | None:
    try:
        if ":" in host:
            return IPv6Address(host)
        return IPv4Address(socket.inet_aton(host))  # reads 127.1, 0x7f.1 and 017700000001 as resolvers do
    except (ValueError, OSError):
        return None
