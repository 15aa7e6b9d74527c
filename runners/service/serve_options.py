"""The flags of `facebeam serve`; no slow module is imported here."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final

from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.shared_options import DownloadOptions, TalkOptions

TOKENS_VARIABLE: Final = "FACEBEAM_SERVE_TOKENS"

EPILOG: Final = f"""\
examples:
  facebeam serve --port 8080
  facebeam serve --host 0.0.0.0 --token-file tokens.txt --rate 20
  curl -X POST http://127.0.0.1:8080/face/analyze -H 'authorization: Bearer any' \\
      -H 'content-type: application/json' -d '{{"image_url": "https://host/photo.jpg"}}'

The accepted tokens come from --token-file or else from {TOKENS_VARIABLE}, separated by spaces or line ends.
Without either, every token is accepted. /docs shows the API; /healthz answers if the server is running.

exit codes:
  0  stopped by Ctrl-C or SIGTERM; every request in progress was answered
  2  a flag or the set-up is wrong; nothing was started
  130  stopped at once by a second Ctrl-C
"""


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


@dataclass(frozen=True, kw_only=True)
class _Access:
    TITLE: ClassVar[str] = "address and access"

    host: Annotated[str, Flag("address to listen on", str)] = "127.0.0.1"
    port: Annotated[int, Flag("port to listen on; 0: any free port", _whole_number(0, 65535), "N")] = 8080
    token_file: Annotated[
        str | None, Flag("file with the accepted tokens", str, "FILE", default_is="see below")
    ] = None


@dataclass(frozen=True, kw_only=True)
class _Load:
    TITLE: ClassVar[str] = "load"

    workers: Annotated[
        int,
        Flag(
            "number of processes, each with its own model, or 'auto'",
            types.workers,
            "N",
            default_is="auto: one per CPU core",
        ),
    ] = field(default_factory=types.cores)
    max_waiting: Annotated[
        int,
        Flag("largest number of waiting requests; further ones get 429", _whole_number(0, 10_000), "N"),
    ] = 64
    rate: Annotated[
        int | None,
        Flag(
            "largest number of requests per second; further ones get 429",
            _whole_number(1, 100_000),
            "N",
            default_is="unlimited",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ServeOptions(_Access, _Load, DownloadOptions, TalkOptions):
    """The flags with their values; every value is checked."""


def parse_serve(argv: Sequence[str]) -> ServeOptions:
    """Parse and check the flags; a wrong flag ends the process with exit code 2."""
    return serve_parser().parse_all(argv)


def serve_parser() -> OptionsParser[ServeOptions]:
    """Build the parser of `facebeam serve`."""
    return OptionsParser(
        ServeOptions, "facebeam serve", "Answer POST /face/analyze of the API with the local model.", EPILOG
    )
