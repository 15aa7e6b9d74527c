"""How images are downloaded: the flags that `facebeam annotate` and `facebeam serve` share."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from runners import option_types as types
from runners import request_headers


@dataclass(frozen=True)
class DownloadOptions:
    """What the user asked for; every value is checked."""

    allow_private_urls: bool
    user_agent: str | None
    header: tuple[str, ...]
    """Each `Name: value`."""
    ca_file: str | None
    connections_per_host: int
    host_rate: float | None
    """Requests a second."""


def add_download_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how images are downloaded."""
    group = parser.add_argument_group("downloads of images")
    group.add_argument(
        "--connections-per-host",
        type=types.connections,
        default=6,
        metavar="N",
        help="download at most N images at a time from one host, in each worker process (%(default)s)",
    )
    group.add_argument(
        "--host-rate",
        type=types.rate,
        metavar="R",
        help="send one host at most R requests a second, in each worker process (default: unlimited)",
    )
    group.add_argument(
        "--user-agent",
        type=request_headers.user_agent,
        metavar="TEXT",
        help="name that image hosts see, with a contact if they ask for one (default: facebeam/VERSION)",
    )
    group.add_argument(
        "--header",
        type=request_headers.header,
        action=_AppendToTuple,
        default=(),
        metavar="'NAME: VALUE'",
        help="send every image host one more header, such as 'Referer: https://example.com/', but no secret; "
        "may be given several times",
    )
    group.add_argument(
        "--ca-file",
        type=types.full_path,
        metavar="PEM",
        help="trust the certificate authorities of this file besides the usual ones",
    )


class _AppendToTuple(argparse.Action):
    """Collect a flag's values; `append` needs a list as default, which everybody could change."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), values))
