"""Parse a web URL without changing its spelling: servers compare, sign and cache URLs byte by byte."""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_UNSENDABLE: Final = re.compile(r"[^!-~]")
"""What a request line cannot contain: anything except printable ASCII."""
_FORBIDDEN_IN_NAMES: Final = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")  # as the URL Standard lists them
_AUTHORITY_SLASHES: Final = re.compile(r"^(https?:)?//+", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebPlace:
    """The parts of a URL.

    Args:
        scheme: `http` or `https`.
        host: name or address in lower-case ASCII; an IPv6 address in brackets.
        port: the URL's port, or the default of its scheme.
        target: path and query as they are sent; begins with a slash.
        auth: the URL's `user:password`, still percent-encoded. None: the URL has none.
    """

    scheme: str
    host: str
    port: int
    target: str
    auth: str | None = None

    @property
    def authority(self) -> str:
        """Host, and port unless it is the default of the scheme."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The URL without user and password."""
        return self.origin + self.target


def web_place(url: str) -> WebPlace:
    """Parse an http or https URL; escapes, letter case, dots and a final `?` stay as they are.

    Only characters outside printable ASCII are percent-encoded. The host is encoded as browsers do (UTS 46).

    >>> web_place("http://example.com/caf%e9 100%.jpg?").target
    '/caf%e9%20100%.jpg?'

    Raises:
        ValueError: the URL has no host, or one that is not valid.
    """
    if (found := _URL.match(url)) is None:
        raise ValueError("not an http or https URL")
    scheme, authority, target = found[1].lower(), found[2], found[3]
    userinfo, at, place = authority.rpartition("@")
    parts = urlsplit(f"//{place}")
    return WebPlace(
        scheme,
        _ascii_host(parts.hostname or ""),
        _DEFAULT_PORTS[scheme] if parts.port is None else parts.port,
        _sendable(target if target.startswith("/") else f"/{target}"),
        userinfo if at else None,
    )


def redirect_target(place: WebPlace, location: str) -> WebPlace:
    r"""Resolve a Location header as browsers do, without its user and password.

    Bytes outside ASCII are percent-encoded without being decoded. A backslash counts as a slash.

    >>> redirect_target(web_place("http://example.com/a/b.jpg"), "\\caf\xe9.jpg").url
    'http://example.com/caf%E9.jpg'

    Args:
        place: the place that redirects.
        location: the header's bytes, decoded as Latin-1.

    Raises:
        ValueError: as `web_place`.
    """
    spelled = _sendable(location.replace("\t", "").strip(" \r\n"), "latin-1")
    path, mark, query = spelled.partition("#")[0].partition("?")
    path = _AUTHORITY_SLASHES.sub(r"\1//", path.replace("\\", "/"))
    joined = urljoin(place.url, path + mark + query)
    is_bare = mark and not query  # urljoin drops an empty query
    return replace(web_place(f"{joined}?" if is_bare else joined), auth=None)


def _sendable(text: str, encoding: str = "utf-8") -> str:
    return _UNSENDABLE.sub(lambda found: quote(found[0], safe="", encoding=encoding), text)


def _ascii_host(host: str) -> str:
    """Encode a host in ASCII; `idna.encode` would refuse symbols that browsers and registries accept."""
    if ":" in host:
        return f"[{IPv6Address(host)}]"
    name = unquote(host, errors="strict")
    if not name or _FORBIDDEN_IN_NAMES.search(name):
        raise ValueError("not a valid host")
    if name.isascii():
        return name
    labels = idna.uts46_remap(name, std3_rules=False).split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )
