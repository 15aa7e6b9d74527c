"""Read the bytes of an image that Beam's file systems can open, with the credentials of the environment."""

from http import HTTPStatus
from typing import Final

from schemas.errors import ErrorCode
from transforms.image_fetch.fetch_failure import fetch_failure, too_large
from transforms.vendor_errors import vendor_errors

BUCKETS: Final = {
    "gs": "pip install facebeam[gcp], and give credentials that may read it",
    "s3": "pip install facebeam[aws], and give credentials that may read it",
    "hdfs": "pip install apache-beam[hadoop], and give --hdfs_host, --hdfs_port and --hdfs_user",
}
"""URL scheme -> what it takes to read from there."""


def read_bucket_image(url: str, max_bytes: int) -> bytes:
    """Read a file by its `gs://`, `s3://` or `hdfs://` URL.

    Raises:
        FailureError: `not_found`, `image_too_large` (over `max_bytes`), or `file_unreadable`, also when the
            extra that knows the scheme is not installed.
    """
    from apache_beam.io.filesystem import CompressionTypes  # noqa: PLC0415 - Beam takes 1.7 s to import
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415

    try:
        with FileSystems.open(url, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            data: bytes = file.read(max_bytes + 1)
    except _bucket_errors() as error:
        cure = BUCKETS[url.partition(":")[0].lower()]
        raise fetch_failure(_code(error), url, f"{type(error).__name__}: {error}", cure) from error
    if len(data) > max_bytes:
        raise too_large(url, f"over {max_bytes} bytes", max_bytes)
    return data


def _bucket_errors() -> tuple[type[Exception], ...]:
    """Give what Beam raises, and what vendors do."""
    # AssertionError: once a pipeline has set its options, Beam's S3 says in this way that boto3 is missing.
    return (ValueError, RuntimeError, AssertionError, *vendor_errors())


def _code(error: Exception) -> ErrorCode:
    """Tell a missing object by its HTTP status, which Google's and Amazon's exceptions carry as `code`."""
    missing = isinstance(error, FileNotFoundError) or getattr(error, "code", None) == HTTPStatus.NOT_FOUND
    return ErrorCode.NOT_FOUND if missing else ErrorCode.FILE_UNREADABLE
