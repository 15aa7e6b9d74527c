"""The fetcher chooses a way to read each URL, and many threads can share it."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import Failure, FailureError
from facebeam.transforms.http.addresses import Address
from facebeam.transforms.images.download_image import DOWNLOAD_LIMITS
from facebeam.transforms.images.fetch_image import ImageFetcher
from tests.helpers.scripted_server import ScriptedServer


def anything(_: Address) -> bool:
    """Allow every address."""
    return True


def failure_of(fetcher: ImageFetcher, url: str) -> Failure:
    """Fetch a URL that must fail, and give the failure."""
    with fetcher.open() as fetch, pytest.raises(FailureError) as caught:
        fetch(url)
    return caught.value.failure


@pytest.mark.parametrize("scheme", ["", "file://", "gs:/", "S3:/", "hdfs:/"])
def test_files_need_permission(tmp_path: Path, scheme: str) -> None:
    """By default, the fetcher refuses files and buckets, even if they exist; it names --allow-local-files."""
    (tmp_path / "a.jpg").touch()
    failure = failure_of(ImageFetcher(), f"{scheme}{tmp_path / 'a.jpg'}")
    assert failure.code is ErrorCode.FORBIDDEN_ADDRESS
    assert "--allow-local-files" in failure.message


def test_files_are_read_where_allowed(tmp_path: Path) -> None:
    """With permission, the fetcher reads a file by path, URL or relative path, up to the limit of bytes."""
    file = tmp_path / "a.jpg"
    file.write_bytes(b"image")
    with ImageFetcher(allow_local_files=True).open() as fetch:
        assert fetch(str(file)) == fetch(file.as_uri()) == b"image"
    there = ImageFetcher(allow_local_files=True, folder=str(tmp_path))
    with there.open() as fetch:
        assert fetch("a.jpg") == fetch(str(tmp_path / "a.jpg"))
    small = ImageFetcher(allow_local_files=True, limits=replace(DOWNLOAD_LIMITS, max_bytes=4))
    assert failure_of(small, str(file)).code is ErrorCode.IMAGE_TOO_LARGE


def test_buckets_are_asked_where_allowed() -> None:
    """With permission, the fetcher reads buckets through Beam, which needs an extra and credentials."""
    assert failure_of(ImageFetcher(allow_local_files=True), "gs://b").code is ErrorCode.FILE_UNREADABLE


@pytest.mark.parametrize("url", ["ftp://example.com/a.jpg", "javascript://x", "azfs://a/b/c"])
def test_other_schemes_are_no_images(url: str) -> None:
    """Another scheme gives `invalid_manifest_row`, whether files are allowed or not."""
    for fetcher in (ImageFetcher(), ImageFetcher(allow_local_files=True)):
        assert failure_of(fetcher, url).code is ErrorCode.INVALID_MANIFEST_ROW


@pytest.mark.parametrize("host", ["127.0.0.1", "%31%32%37.1", "①②⑦.⓪.⓪.①", "[::1]"])
def test_the_web_is_public_unless_told_otherwise(host: str) -> None:
    """The default fetcher refuses addresses of this machine, also as browsers would read them."""
    assert failure_of(ImageFetcher(), f"HTTP://{host}:9/").code is ErrorCode.FORBIDDEN_ADDRESS


def test_many_threads_share_one_fetch() -> None:
    """Sixteen threads share one fetch, and each of them gets the image that it asked for."""
    with ScriptedServer({}) as server, ImageFetcher(rule=anything, window=16).open() as fetch:
        server.scripts = {f"/{i}": lambda e: e.answer(e.target.encode() * 10_000) for i in range(200)}
        with ThreadPoolExecutor(16) as pool:
            images = list(pool.map(lambda i: fetch(server.url(f"/{i}")), range(200)))
        assert images == [f"/{i}".encode() * 10_000 for i in range(200)]
        assert server.connections <= 16


def test_a_description_travels_to_the_worker() -> None:
    """A pickled fetcher equals the original."""
    assert pickle.loads(pickle.dumps(ImageFetcher(rule=anything))) == ImageFetcher(rule=anything)  # noqa: S301 - ours
