"""Decide which IP addresses may be connected to: by default, addresses of the public internet."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError

Address = IPv4Address | IPv6Address
AddressRule = Callable[[Address], bool]
"""Tells whether an address may be connected to."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # RFC 4291: all that is routed in the public IPv6 internet
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 destination

_REFUSED: Final = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890, protocol assignments: Oracle Cloud's metadata is 192.0.0.192
    IPv4Network("192.88.99.0/24"),  # RFC 7526, relays of 6to4, withdrawn
    IPv4Network("168.63.129.16/32"),  # Azure's WireServer, inside each virtual machine
    IPv6Network("2001::/23"),  # RFC 2928, protocol assignments
    IPv6Network("3fff::/20"),  # RFC 9637, documentation
)
"""Not public, even if Python's own table says so: that table differs between patch releases of Python."""


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public internet: global in IANA's registries, and not multicast.

    >>> is_public(IPv4Address("169.254.169.254")), is_public(IPv4Address("1.1.1.1"))
    (False, True)
    """
    routed = isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST
    refused = any(address in network for network in _REFUSED if network.version == address.version)
    return routed and not refused and address.is_global and not address.is_multicast


def any_address(_address: Address) -> bool:
    """Allow every address: for a manifest whose images are on the user's own network."""
    return True


def destination(address: Address) -> Address:
    """Give the address that packets reach: IPv6 has four ways to express an IPv4 address.

    >>> destination(IPv6Address("::ffff:127.0.0.1")), destination(IPv6Address("64:ff9b::7f00:1"))
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'))
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def allowed_addresses(host: str, port: int, rule: AddressRule) -> list[Address]:
    """Resolve a host once, and give its addresses in the resolver's order.

    Raises:
        FailureError: `forbidden_address`: the rule refuses one of the addresses. A host with any private
            address is refused as a whole.
        OSError: as socket.gaierror: there is no such host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(sockaddr[0]) for *_, sockaddr in found]
    for address in addresses:
        if not rule(destination(address)):
            raise FailureError(_forbidden(host, address))
    return addresses


def _forbidden(host: str, address: Address) -> Failure:
    named = f"host {host[:100]!r} has the address {address}"
    message = f"{named}, which is not public; nothing was sent there: put the image on a public host"
    return Failure(ErrorCode.FORBIDDEN_ADDRESS, message, stage="fetch")
