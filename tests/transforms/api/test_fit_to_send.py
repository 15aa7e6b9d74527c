"""The image URLs that a client may send to the service."""

import socket

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.api.fit_to_send import check_fit_to_send


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.jpg?user=a@b",
        "http://EXAMPLE.com:8080/@a",
        "https://1.1.1.1/a.jpg",
        "https://[2606:4700:4700::1111]/a.jpg",
        "https://m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example/a.jpg",
        "https://my_bucket.s3.amazonaws.com/a.jpg",
        "https://local.example.com./a.jpg",
        "https://localhost.example.com/a.jpg",
        "https://16843009.example/a.jpg",
    ],
)
def test_public_urls_are_sent(url: str) -> None:
    """`check_fit_to_send` accepts a public URL."""
    check_fit_to_send(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost/a", "http://LOCALHOST:8080/a", "http://localhost./a", "http://a.localhost/a"),
        *("http://printer.local/a", "http://api.internal/a", "http://nas.home.arpa/a", "http://intranet/a"),
        *(
            "http://127.0.0.1/a",
            "http://127.1/a",
            "http://2130706433/a",
            "http://0x7f.1/a",
            "http://0177.0.0.1/a",
        ),
        *("http://10.0.0.1/a", "http://192.168.1.1:80/a", "http://169.254.169.254/latest", "http://0/a"),
        *("http://224.0.0.1/a", "http://127.0.0.1./a", "http://%31%32%37.0.0.1/a", "http://%00.example/a"),
        *("http://[::1]/a", "http://[::ffff:10.0.0.1]/a", "http://[fe80::1%25eth0]/a", "http://[fd00::1]/a"),
        *(
            "http://[64:ff9b::7f00:1]/a",
            "http://[2002:7f00:1::]/a",
            "http://\uff11\uff12\uff17.0.0.1/a",
            "http://127\u30020\u30020\u30021/a",
        ),
        *(
            "http://10.0.0.1\\.example.com/a",
            "http:///a",
            "http://[nonsense/a",
            "file:///etc/passwd",
            "a.jpg",
            "",
        ),
    ],
)
def test_private_urls_are_not(url: str) -> None:
    """A private host, in whatever spelling, gives `forbidden_address` with the cure; the URL is not sent."""
    with pytest.raises(FailureError) as caught:
        check_fit_to_send(url)
    failure = caught.value.failure
    assert (failure.code, failure.stage) == (ErrorCode.FORBIDDEN_ADDRESS, "annotate")
    assert (failure.was_sent, failure.maybe_billed) == (False, False)
    assert "--allow-private-urls" in failure.message


@pytest.mark.parametrize(
    "url",
    ["https://ann:s3cret@example.com/a", "https://s3cret@example.com/a", "http://s3cret\\@example.com/a"],
)
def test_a_password_is_not_sent(url: str) -> None:
    """A URL with a user or password is refused, and the message does not repeat them."""
    with pytest.raises(FailureError) as caught:
        check_fit_to_send(url)
    assert "user or password" in caught.value.failure.message
    assert "s3cret" not in caught.value.failure.message


def test_the_socket_module_reads_odd_addresses_here() -> None:
    """This machine's C library can read the odd spellings of addresses that the check leaves to it."""
    assert socket.inet_aton("0x7f.1") == bytes([127, 0, 0, 1])
