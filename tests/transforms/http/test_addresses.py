"""Which addresses are public, and how a host with a forbidden address is treated."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis.strategies import integers, sampled_from

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import FailureError
from facebeam.transforms.http.addresses import Address, allowed_addresses, destination, is_public


@pytest.mark.parametrize(
    "text",
    [
        *("1.1.1.1", "8.8.8.8", "192.0.1.1", "168.63.129.15"),
        *("2606:4700:4700::1111", "2a00:1450:4001:80e::200e"),
    ],
)
def test_the_internet_is_public(text: str) -> None:
    """Addresses of well-known public hosts are public."""
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1"),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1"),
        *("ff02::1", "ff0e::1", "2001:db8::1", "64:ff9b:1::1", "100::1"),
        *("192.0.0.8", "192.0.0.192", "192.0.0.255", "192.88.99.1", "168.63.129.16"),
        *("2001:2::1", "2001:1ff:ffff::1", "3fff::1", "3fff:fff::1"),
    ],
)
def test_the_rest_is_not(text: str) -> None:
    """Private, local, shared, multicast, reserved and documentation addresses are not public."""
    assert not is_public(ip_address(text))


CLOTHES: list[Callable[[int], int]] = [
    lambda v4: (0xFFFF << 32) | v4,  # ::ffff:0:0/96, mapped
    lambda v4: (0x64_FF9B << 96) | v4,  # 64:ff9b::/96, NAT64
    lambda v4: (0x2002 << 112) | (v4 << 80),  # 2002::/16, 6to4
    lambda v4: (0x2001_0000 << 96) | (v4 ^ 0xFFFF_FFFF),  # 2001::/32, Teredo
]


@given(integers(0, 2**32 - 1), sampled_from(CLOTHES))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is(
    number: int, clothe: Callable[[int], int]
) -> None:
    """`destination` finds the IPv4 address in each of the four IPv6 forms that contain one."""
    assert destination(IPv6Address(clothe(number))) == IPv4Address(number)


@given(integers(0, 2**32 - 1))
def test_an_ipv4_address_is_its_own_destination(number: int) -> None:
    """`destination` returns a plain IPv4 address unchanged."""
    assert destination(IPv4Address(number)) == IPv4Address(number)


def test_one_forbidden_address_forbids_the_host() -> None:
    """A host with a forbidden address is rejected without a retry, and the message names the host."""
    with pytest.raises(FailureError) as caught:
        allowed_addresses("localhost", 80, rule=lambda _: False)
    failure = caught.value.failure
    assert (failure.code, failure.fate) == (ErrorCode.FORBIDDEN_ADDRESS, Fate.REJECT)
    assert "'localhost'" in failure.message


@pytest.mark.parametrize("host", ["::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"])
def test_the_rule_judges_where_the_packets_go(host: str) -> None:
    """The rule gets the IPv4 address that an IPv6 form stands for: `::ffff:127.0.0.1` counts as 127.0.0.1."""
    assert allowed_addresses(host, 80, rule=lambda address: address == ip_address("127.0.0.1"))
    with pytest.raises(FailureError):
        allowed_addresses(host, 80, is_public)


def test_every_address_is_shown_to_the_rule() -> None:
    """The rule judges every address that the resolver returns, in the resolver's order and as often."""
    judged: list[Address] = []

    def rule(address: Address) -> bool:
        judged.append(address)
        return True

    found = allowed_addresses("localhost", 80, rule)
    assert judged == [destination(address) for address in found]
    assert ip_address("127.0.0.1") in found
