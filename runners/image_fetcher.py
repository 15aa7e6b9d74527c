"""Make an image fetcher from the flags, and read the certificates to trust."""

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from facebeam.runners.flags.result_options import PictureOptions
from facebeam.runners.flags.shared_options import DownloadOptions
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import agreed_options
from facebeam.transforms.http.addresses import any_address, is_public
from facebeam.transforms.images.fetch_image import ImageFetcher
from facebeam.transforms.images.host_turns import HostLimits
from facebeam.transforms.steps.publish import read_record

_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def authorities(ca_file: str | None, environment: Mapping[str, str]) -> str:
    """Read the certificates of `--ca-file`, and of the files that the environment names.

    The run carries the certificates to its workers, so workers need no file. A private key in the same file
    is left out.

    Args:
        ca_file: path of a file in PEM.
        environment: environment variables; empty if they must not be used.

    Returns:
        Certificates in PEM; empty if no file is named.

    Raises:
        RunError: a file cannot be read, or contains no certificate.
    """
    named = {"--ca-file": ca_file, **{name: environment.get(name) for name in _VARIABLES}}
    return "\n".join(_certificates(source, path) for source, path in named.items() if path)


def _certificates(source: str, path: str) -> str:
    try:
        found = "\n".join(_CERTIFICATE.findall(Path(path).read_text(errors="replace")))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError):  # ValueError: nothing was found
        raise RunError(f"{source} {path} contains no PEM certificate: name a file that does") from None
    except OSError as error:
        raise RunError(f"{source} {path} cannot be read ({error.strerror}): name a file in PEM") from None
    return found


def image_fetcher(options: DownloadOptions, ca_data: str) -> ImageFetcher:
    """Make the description of an image fetcher.

    Args:
        options: the flags about downloads.
        ca_data: additional certificates to trust, in PEM.
    """
    headers = [line.split(": ", 1) for line in options.header]
    if options.user_agent is not None:
        headers.append(["User-Agent", options.user_agent])
    return ImageFetcher(
        rule=any_address if options.allow_private_urls else is_public,
        host_limits=HostLimits(options.connections_per_host, options.host_rate),
        headers=tuple((name, value) for name, value in headers),
        ca_data=ca_data,
    )


_DOWNLOAD_FLAGS: Final = [flag.name for group in (PictureOptions, DownloadOptions) for flag in fields(group)]


def download_flags(output: str, runs: Sequence[str]) -> Mapping[str, object]:
    """Give the values of the download flags in which committed runs agree, by the names of their fields."""
    agreed = agreed_options(read_record(Layout(output, run)) for run in runs)
    return {name: agreed[name] for name in _DOWNLOAD_FLAGS if name in agreed}


def picture_fetcher(options: DownloadOptions, *, allow_local_files: bool) -> ImageFetcher:
    """Describe how pictures of committed runs are fetched; raises RunError if `--ca-file` cannot be read."""
    fetcher = image_fetcher(options, authorities(options.ca_file, {}))
    return replace(fetcher, allow_local_files=allow_local_files, folder=os.getcwd())  # noqa: PTH109 - a text
