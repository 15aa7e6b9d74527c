"""Which texts are accepted as the URL of an image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.image_url import MAX_URL_BYTES, check_image_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.jpg",
        "http://example.com",
        "HTTPS://EXAMPLE.com:8443/a.jpg?x=1#top",
        "https://ann:secret@example.com/a.jpg",
        "https://bücher.example/größe.jpg",
        "http://[2606:4700::1111]/a.jpg",
        "http://127.0.0.1:65535/a%20b.jpg",
        "https://example.com?x=1",
        "https://example.com/" + "a" * (MAX_URL_BYTES - 20),
    ],
)
def test_web_url_is_fine(url: str) -> None:
    """An http or https URL with a host is accepted, whatever its other parts are."""
    assert check_image_url(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is not a URL"),
        ("https://example.com/\udcff.jpg", "not UTF-8"),
        ("https://example.com/" + "a" * MAX_URL_BYTES, "over 8192 bytes"),
        ("https://example.com/" + "ü" * (MAX_URL_BYTES // 2), "over 8192 bytes"),
        ("https://example.com/\x00.jpg", "control characters"),
        ("https://example.com/\x7f.jpg", "control characters"),
        ("https://example.com/\x9b.jpg", "control characters"),
        ("https://example.com/\u2028.jpg", "control characters"),
        ("https://example.com/a b.jpg", "a space"),
        ("https://example.com/a\u00a0b.jpg", "a space"),
        ("https://example.com\\a.jpg", "a backslash"),
        ("https://example.com/a\\b.jpg", "a backslash"),
        ("https:///a.jpg", "no host"),
        ("https://", "no host"),
        ("https://:80/a.jpg", "no host"),
        ("https://[::1/a.jpg", "no valid host"),
        ("https://example.com:99999/a.jpg", "no valid host"),
        ("ftp://example.com/a.jpg", "no http"),
        ("example.com/a.jpg", "no http"),
        ("javascript:alert(1)", "no http"),
    ],
)
@pytest.mark.parametrize("allow_local_files", [False, True])
def test_reason_names_rule(url: str, reason: str, allow_local_files: bool) -> None:  # noqa: FBT001 - a parameter
    """A text that is not a valid URL is refused with the rule it breaks. With local files a path is valid."""
    found = check_image_url(url, allow_local_files=allow_local_files)
    if allow_local_files and url and "://" not in url:
        assert found is None
    else:
        assert found is not None
        assert reason in found


@pytest.mark.parametrize(
    "url", ["a b.jpg", "/data/a.jpg", "file:///a.jpg", "gs://b/a.jpg", "S3://b/a", "hdfs://a"]
)
def test_local_file_needs_permission(url: str) -> None:
    """Paths and URLs of file systems are accepted with `allow_local_files`, and refused without it."""
    assert check_image_url(url, allow_local_files=True) is None
    assert "--allow-local-files" in (check_image_url(url) or "")


def test_local_scheme_without_path_is_refused() -> None:
    """A scheme without a path is refused, because it has no path."""
    assert "has no path" in (check_image_url("gs://", allow_local_files=True) or "")


@given(st.text("htps:/.@[]?#%\\ aüß\x00\u2028\udcff0:-", max_size=40).map("https://".__add__))
def test_any_text_is_judged(url: str) -> None:
    """The check raises no error for any text, and an accepted text can be written as UTF-8."""
    if check_image_url(url) is None:
        assert url.encode()
