"""Images in buckets, as far as a machine without credentials can test them."""

import pytest

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError
from facebeam.transforms.files.any_store import is_installed
from facebeam.transforms.images.read_image_file import read_bucket_image


@pytest.mark.parametrize(
    ("url", "module", "cure"),
    [
        ("gs://bucket/a.jpg", "google.cloud.storage", "facebeam[gcp]"),
        ("GS://bucket/a.jpg", "google.cloud.storage", "facebeam[gcp]"),
        ("s3://bucket/a.jpg", "boto3", "facebeam[aws]"),
        ("hdfs://host/a.jpg", "hdfs", "apache-beam[hadoop]"),
    ],
)
def test_a_missing_extra_is_named(url: str, module: str, cure: str) -> None:
    """A bucket whose library is missing gives `file_unreadable` and names the extra to install."""
    if is_installed(module):
        pytest.skip(f"{module} is installed here")
    with pytest.raises(FailureError) as caught:
        read_bucket_image(url, 100)
    assert caught.value.failure.code is ErrorCode.FILE_UNREADABLE
    assert cure in caught.value.failure.message
