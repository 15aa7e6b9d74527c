"""Work with files in gs://, s3:// and hdfs://, by Beam's file systems with their flags and credentials.

Only this file handles the special cases of Beam's file systems: which exceptions the vendors' libraries
raise, which stores read a name as a glob, and which stores do not replace a file by a rename.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from glob import escape
from http import HTTPStatus
from typing import BinaryIO, Final

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from facebeam.transforms.files.store import FoundFile

_ROOTS: Final = (
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.resumable_media.common", "InvalidResponse"),
    ("google.resumable_media.common", "DataCorruption"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("apache_beam.io.aws.clients.s3.messages", "S3ClientError"),
    ("hdfs.util", "HdfsError"),
)
_KINDS: Final[dict[object, type[OSError]]] = {
    HTTPStatus.NOT_FOUND: FileNotFoundError,
    HTTPStatus.FORBIDDEN: PermissionError,
}
_RAW: Final = CompressionTypes.UNCOMPRESSED


def vendor_errors() -> tuple[type[Exception], ...]:
    """Give the base classes of the exceptions of Beam and of those vendors' libraries that are imported."""
    imported = (getattr(sys.modules[module], name) for module, name in _ROOTS if module in sys.modules)
    return (BeamIOError, *imported)


@contextmanager
def _os_errors(*others: type[Exception]) -> Iterator[None]:
    """Translate exceptions of Beam and vendors' libraries in the block into OSErrors, as for local files."""
    try:
        yield
    except (*vendor_errors(), *others) as error:
        raise _KINDS.get(_status(error), OSError)(str(error)) from error


def has_file_system(path: str) -> bool:
    """Tell whether a file system of Beam, or one that the user has registered, supports a path's scheme."""
    try:
        FileSystems.get_filesystem(path)
    except ValueError:
        return False
    return True


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file. Each read fetches 16 MB from its position (gs://), or everything up to the end (s3://)."""
    with _os_errors(ValueError):
        file = FileSystems.open(path, compression_type=_RAW)
    with _os_errors(), file:
        yield file


def read_range(path: str, start: int, stop: int) -> bytes:
    """Read a part of a file by the store's own client, because a file opened by Beam fetches much more."""
    with _os_errors(ValueError):
        read = _range_reader(FileSystems.get_scheme(path), id(FileSystems._pipeline_options))  # noqa: SLF001
        return read(path, start, stop)


_ReadRange = Callable[[str, int, int], bytes]
"""Path, first byte and byte after the last one -> the bytes."""


@lru_cache(maxsize=4)
def _range_reader(scheme: str | None, _options: int) -> _ReadRange:
    """Give the function that reads ranges of a scheme's files; its client keeps connections open."""
    options = FileSystems._pipeline_options  # noqa: SLF001 - as Beam's own file systems get it
    match scheme:
        case "gs":
            return _google_reader(options)
        case "s3":
            return _amazon_reader(options)
        case _:
            return _read_by_beam


def _google_reader(options: PipelineOptions | None) -> _ReadRange:
    from apache_beam.io.gcp import gcsio  # noqa: PLC0415 - an extra

    client = gcsio.GcsIO(pipeline_options=options).client

    def read(path: str, start: int, stop: int) -> bytes:
        bucket, name = gcsio.parse_gcs_path(path)
        blob = client.bucket(bucket).blob(name)
        return blob.download_as_bytes(start=start, end=stop - 1, raw_download=True, checksum=None)

    return read


def _amazon_reader(options: PipelineOptions | None) -> _ReadRange:
    from apache_beam.io.aws import s3io  # noqa: PLC0415 - an extra

    client = s3io.S3IO(options=options).client.client

    def read(path: str, start: int, stop: int) -> bytes:
        bucket, name = s3io.parse_s3_path(path)
        part = client.get_object(Bucket=bucket, Key=name, Range=f"bytes={start}-{stop - 1}")
        return part["Body"].read()

    return read


def _read_by_beam(path: str, start: int, stop: int) -> bytes:
    with FileSystems.open(path, compression_type=_RAW) as file:
        file.seek(start)
        return file.read(stop - start)


@contextmanager
def created(path: str) -> Iterator[BinaryIO]:
    """Open a new file for writing; in an object store it becomes visible with its last byte."""
    with _os_errors(ValueError):
        if has_folders(path):
            _make_room(path)
        file = FileSystems.create(path, compression_type=_RAW)
    with _os_errors(), file:
        yield file


def state(path: str) -> FoundFile:
    """Give size and time of the last change, by a listing, because other requests round the time."""
    found = matching(escape(path))
    if not found:
        raise FileNotFoundError("no such file")
    return found[path]


def exists(path: str) -> bool:
    """Tell whether a file exists; in HDFS also for a folder."""
    with _os_errors(ValueError):
        return bool(FileSystems.exists(path))


def matching(pattern: str) -> dict[str, FoundFile]:
    """List the files that match a glob, sorted; `**` matches folders at any depth."""
    with _os_errors(ValueError):
        listed: list[FileMetadata] = FileSystems.match([pattern])[0].metadata_list
    return {file.path: _found(file) for file in sorted(listed, key=lambda file: str(file.path))}


def files_in(folder: str) -> dict[str, FoundFile]:
    """List the files of one folder."""
    return matching(f"{escape(folder)}/*")


def files_below(folder: str) -> dict[str, FoundFile]:
    """List every file below a folder, at any depth."""
    return matching(f"{escape(folder)}/**")


def folders_in(folder: str) -> dict[str, float]:
    """List the folders in a folder that contain a file."""
    found: dict[str, float] = {}
    for path, file in files_below(folder).items():
        name, _, below = path.removeprefix(f"{folder}/").partition("/")
        if below:
            found[name] = max(file.changed, found.get(name, 0.0))
    return found


def move(targets: Mapping[str, str]) -> None:
    """Rename files. Object stores copy and delete them; Google's needs two requests per hundred files."""
    with _os_errors(ValueError):
        for target in targets.values():
            if has_folders(target):
                _make_room(target)
        FileSystems.rename([*targets], [*targets.values()])


def remove_files(paths: Collection[str]) -> None:
    """Delete files."""
    if paths:
        with _os_errors(ValueError):
            FileSystems.delete([escape(path) if _deletes_globs(path) else path for path in paths])


def remove(folder: str) -> None:
    """Delete a folder, by one listing and one request per hundred files or more."""
    with _os_errors(ValueError):
        FileSystems.delete([f"{escape(folder)}/**" if _deletes_globs(folder) else f"{folder}/"])


def make_durable(path: str) -> None:
    """Do nothing, because a remote store accepts a file only after it has stored it."""


def has_folders(path: str) -> bool:
    """Return True for HDFS, and False for an object store."""
    return bool(FileSystems.get_filesystem(path).has_dirs())


def fingerprint(path: str) -> str:
    """Give the store's own checksum of a file."""
    with _os_errors(ValueError):
        return str(FileSystems.checksum(path))


def _found(file: FileMetadata) -> FoundFile:
    return FoundFile(file.size_in_bytes, file.last_updated_in_seconds or 0.0)


def _deletes_globs(path: str) -> bool:
    """Tell whether Beam's delete reads a name as a glob; it does so only for gs://."""
    return FileSystems.get_scheme(path) == "gs"


def _make_room(target: str) -> None:
    """Prepare a target in HDFS, which never replaces a file, and whose rename does not make folders."""
    if FileSystems.exists(target):
        FileSystems.delete([target])
    elif not FileSystems.exists(folder := FileSystems.split(target)[0]):
        FileSystems.mkdirs(folder)


def _status(error: Exception) -> object:
    """Find the HTTP status of a failure: the `code` of the exception that Beam wraps."""
    if isinstance(error, BeamIOError) and error.exception_details:
        error = next(iter(error.exception_details.values()))
    return error if isinstance(error, int) else getattr(error, "code", None)
