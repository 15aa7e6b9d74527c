"""URLs keep the spelling of the manifest, and Location headers are resolved as browsers do."""

import pytest

from facebeam.transforms.http.web_place import redirect_target, web_place

BASE = web_place("http://ann:pw@host.example/folder/a.jpg?x=1")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h/my%20photos/100%.jpg", "/my%20photos/100%.jpg"),
        ("http://h/a.jpg?name=caf%e9&sig=ab%2fcd", "/a.jpg?name=caf%e9&sig=ab%2fcd"),
        ("http://h/%7Eann/%41.jpg", "/%7Eann/%41.jpg"),
        ("http://h/x.jpg?", "/x.jpg?"),
        ("http://h/a/../b//./c.jpg", "/a/../b//./c.jpg"),
        ("http://h/[1]{2}|^`\"'<>!~.jpg?q=[]{}|^", "/[1]{2}|^`\"'<>!~.jpg?q=[]{}|^"),
        ("http://h/größe.jpg?ü", "/gr%C3%B6%C3%9Fe.jpg?%C3%BC"),
        ("http://h/a.jpg?b?c/d@e:f#top?no", "/a.jpg?b?c/d@e:f"),
        ("http://h", "/"),
        ("http://h?x", "/?x"),
        ("http://h#top", "/"),
    ],
)
def test_the_target_is_spelled_as_in_the_url(url: str, target: str) -> None:
    """Escapes, letter case, dots and a final `?` stay; only what is not printable ASCII is encoded."""
    assert web_place(url).target == target


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTPS://Example.COM/", "https://example.com"),
        ("https://example.com:443/", "https://example.com"),
        ("http://example.com:443/", "http://example.com:443"),
        ("http://ann:p%40ss@w0rd@a_b.example.:8080/", "http://a_b.example.:8080"),
        ("http://[2606:4700:0::1111]:80/", "http://[2606:4700::1111]"),
        ("http://\N{GRINNING FACE}.example/a.jpg", "http://xn--e28h.example"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example"),
        ("http://straße。example/", "http://xn--strae-oqa.example"),
        ("http://%C3%BC.example/", "http://xn--tda.example"),
        ("http://%31%32%37.0.0.1/", "http://127.0.0.1"),
    ],
)
def test_a_host_is_written_as_browsers_do(url: str, origin: str) -> None:
    """Hosts are lower case and ASCII (UTS 46), symbols included; the scheme's own port is left out."""
    assert web_place(url).origin == origin


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("b.jpg", "http://host.example/folder/b.jpg"),
        ("../b.jpg?", "http://host.example/b.jpg?"),
        ("?y=%e9", "http://host.example/folder/a.jpg?y=%e9"),
        ("/caf\xe9.jpg", "http://host.example/caf%E9.jpg"),
        ("/caf\xc3\xa9.jpg", "http://host.example/caf%C3%A9.jpg"),
        ("/\x83e.jpg", "http://host.example/%83e.jpg"),
        ("\\ok.jpg", "http://host.example/ok.jpg"),
        ("\\\\other.example\\a.jpg?b\\c", "http://other.example/a.jpg?b\\c"),
        ("https:///other.example/a.jpg", "https://other.example/a.jpg"),
        ("///other.example/a.jpg", "http://other.example/a.jpg"),
        (" \t/my photo.jpg \t", "http://host.example/my%20photo.jpg"),
        ("/a\tb.jpg#top", "http://host.example/ab.jpg"),
        ("http://eve:evil@other.example", "http://other.example/"),
        ("http://b\xc3\xbccher.example/", "http://xn--bcher-kva.example/"),
        ("/100%.jpg", "http://host.example/100%.jpg"),
    ],
)
def test_a_redirect_is_resolved_as_browsers_do(location: str, url: str) -> None:
    """Bytes of any encoding are escaped as they are, a backslash is a slash; outer blanks are dropped."""
    target = redirect_target(BASE, location)
    assert (target.url, target.auth) == (url, None)
