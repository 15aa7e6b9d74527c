"""Turn the text of a flag into a request header; refuse possible secrets, and do not repeat them."""

import argparse
import re
from typing import Final

_SECRET_NAME: Final = re.compile(
    "key|token|secret|password|credential|signature|sas|auth|cookie", re.IGNORECASE
)
_SECRET_VALUE: Final = re.compile(
    r"\b(bearer|basic|digest)\s|//[^/?#\s]*@|(key|token|secret|password|credential|signature|sig)[\w-]*[=:]",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Tell whether the value of a flag or header with this name is probably a secret.

    >>> is_secret_name("--s3_secret_access_key"), is_secret_name("X-Auth"), is_secret_name("Referer")
    (True, True, False)
    """
    return _SECRET_NAME.search(name) is not None


def has_secret(value: str) -> bool:
    """Tell whether a value contains credentials: `Bearer ...`, a user in a URL, a query such as `?sig=...`.

    >>> has_secret("Bearer abc"), has_secret("https://host/?sig=abc"), has_secret("https://host/keys")
    (True, True, False)
    """
    return _SECRET_VALUE.search(value) is not None


_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE: Final = re.compile(r"[ -~]{1,1000}")
_OURS: Final = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "host", "range", "te"),
        *("transfer-encoding", "upgrade", "user-agent"),
    }
)
"""Headers that the download itself sets, or that have their own flag."""
_NO_SECRETS: Final = (
    "the run's record shows all flags, so no flag may have a secret: put signed URLs, or "
    "https://user:password@host/, into the manifest"
)


def user_agent(text: str) -> str:
    """Check a User-Agent."""
    return _value("the text", text)


def header(text: str) -> str:
    """Check a header, `Name: value`."""
    name, colon, value = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError("a header must have the form 'Name: value'")
    if name.lower() in _OURS:
        raise argparse.ArgumentTypeError(f"facebeam sets {name} itself; see also --user-agent")
    if is_secret_name(name):
        raise argparse.ArgumentTypeError(f"{name} looks like a secret; {_NO_SECRETS}")
    return f"{name}: {_value(name, value.strip())}"


def _value(what: str, value: str) -> str:
    if not _PRINTABLE.fullmatch(value) or value.isspace():
        raise argparse.ArgumentTypeError(f"{what} is not 1 to 1000 characters of printable ASCII")
    if has_secret(value):
        raise argparse.ArgumentTypeError(f"{what} looks like a secret; {_NO_SECRETS}")
    return value
