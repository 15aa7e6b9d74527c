"""Write a manifest file for standard input, and for folders and globs of images."""

import csv
import json
import shutil
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from facebeam.runners.flags.options import RunOptions
from facebeam.schemas.errors import RunError
from facebeam.schemas.manifest_columns import ID_COLUMN
from facebeam.transforms.manifest.find_manifests import image_files, is_image
from facebeam.transforms.manifest.manifest_file import ManifestError

STANDARD_INPUT: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_HEAD_BYTES: Final = 1 << 16


@contextmanager
def made_manifests(options: RunOptions) -> Iterator[RunOptions]:
    """Give options in which all manifests are files; files written for this are deleted after the block.

    Raises:
        RunError: the manifest is a folder of images and `--allow-local-files` was not given; or the workers
            are on other machines, which cannot read such a file.
        ManifestError: a folder cannot be read.
    """
    patterns = [*dict.fromkeys(options.manifest)]
    made = {pattern: make for pattern in patterns if (make := _maker_of(pattern, options))}
    if not made:
        yield options
        return
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="facebeam-")))
            files = {pattern: made[pattern](folder) if pattern in made else pattern for pattern in patterns}
        except OSError as error:
            raise RunError(
                f"cannot store the manifest for the run: {error}; set TMPDIR to a folder with free space"
            ) from error
        # `/dev/stdin` can be read by a cure such as iconv, `-` cannot
        names = {files[pattern]: "/dev/stdin" if pattern == STANDARD_INPUT else pattern for pattern in made}
        try:
            yield replace(options, manifest=tuple(files.values()), made=names)
        except ManifestError as error:
            raise ManifestError(_with_names(str(error), names)) from error


def _with_names(message: str, names: Mapping[str, str]) -> str:
    """Name what the user gave instead of files that are deleted when the message is read."""
    for path, name in names.items():
        message = message.replace(path, name)
    return message


def _maker_of(pattern: str, options: RunOptions) -> Callable[[Path], str] | None:
    """Give a function that writes the manifest of a pattern into a folder; None if it is a file already."""
    images = {} if pattern == STANDARD_INPUT else image_files(pattern)
    if pattern != STANDARD_INPUT and not images:
        return None
    if options.cluster.runner not in {"local", "prism"}:
        raise RunError(f"--manifest {pattern} is on this machine: put a manifest where workers can read it")
    if images and not options.allow_local_files:
        raise RunError(f"--manifest {pattern}: {len(images)} images; give --allow-local-files to read them")
    if images:
        return partial(_from_images, pattern, images, options.url_column)
    return partial(_from_stdin, options.url_column)


def _from_stdin(url_column: str, folder: Path) -> str:
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with path.open("rb") as file:
        ending = ending_of(file.read(_HEAD_BYTES), url_column)
    return str(path.rename(f"{path}.{ending}"))


def ending_of(head: bytes, url_column: str) -> str:
    """Find the format of a manifest without a file name from its first bytes.

    A line of several names without a path is a header: that it lacks the column of URLs is said later.

    >>> ending_of(b"name,url", "image_url"), ending_of(b"https://example.com/a,b.jpg", "image_url")
    ('csv', 'txt')
    """
    if head.startswith(_GZIP):
        unpacked = b""
        with suppress(zlib.error):  # it is damaged, which is said later
            unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head)
        packed_twice = unpacked.startswith(_GZIP)  # which is said later
        return f"{'txt' if packed_twice else ending_of(unpacked, url_column)}.gz"
    if head.startswith(b"PAR1"):
        return "parquet"
    line = head.removeprefix(BOM_UTF8).lstrip().partition(b"\n")[0].decode(errors="replace").strip()
    if line.startswith("{"):
        return "jsonl"
    is_path = "/" in line or is_image(line)
    for ending, delimiter in (("csv", ","), ("tsv", "\t"), ("csv", ";")):
        names = next(csv.reader([line], delimiter=delimiter), [])
        if url_column in names or (len(names) > 1 and not is_path):
            return ending
    return "txt"


def _from_images(pattern: str, images: Mapping[str, str], url_column: str, folder: Path) -> str:
    name = Path(pattern.replace("*", "")).stem or "images"
    path = folder / f"{name}.jsonl"
    with path.open("x") as file:
        for image, image_id in images.items():
            file.write(json.dumps({url_column: image, ID_COLUMN: image_id}) + "\n")
    return str(path)
