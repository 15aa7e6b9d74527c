"""The flags of `facebeam serve`: strict, checked, and cheap, since nothing heavy is imported here."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal

from runners import option_types as types
from runners.download_options import DownloadOptions, add_download_flags
from runners.strict_parser import StrictParser, add_talk_flags

TOKENS_VARIABLE: Final = "FACEBEAM_SERVE_TOKENS"

EPILOG: Final = f"""\
examples:
  facebeam serve --port 8080
  facebeam serve --host 0.0.0.0 --token-file tokens.txt --rate 20
  curl -X POST http://127.0.0.1:8080/face/analyze -H 'authorization: Bearer any' \\
      -H 'content-type: application/json' -d '{{"image_url": "https://host/photo.jpg"}}'

Tokens come from --token-file, else from {TOKENS_VARIABLE}, separated by spaces or line ends; where there is
neither, every token is accepted. /docs shows the API, /healthz tells that the server answers.

exit codes:
  0  stopped by Ctrl-C or SIGTERM; every request under way was answered
  2  a flag or the set-up is wrong; nothing was started
  130  stopped at once by a second Ctrl-C
"""


@dataclass(frozen=True)
class ServeOptions(DownloadOptions):
    """What the user asked for; every value is checked."""

    host: str
    port: int
    workers: int
    max_waiting: int
    rate: int | None
    token_file: str | None
    quiet: bool
    log_format: Literal["text", "json"]


def parse_serve(argv: Sequence[str], prog: str = "facebeam serve") -> ServeOptions:
    """Parse and check the flags; a wrong one ends the process with exit code 2."""
    parser = serve_parser(prog)
    values = vars(parser.parse_args(parser.known_flags(argv)))
    return ServeOptions(**{field.name: values[field.name] for field in fields(ServeOptions)})


def serve_parser(prog: str = "facebeam serve") -> StrictParser:
    """Build the parser of `facebeam serve`."""
    parser = StrictParser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Answer the API's POST /face/analyze with the local model.",
        epilog=EPILOG,
    )
    _add_place_flags(parser)
    _add_load_flags(parser)
    add_download_flags(parser)
    add_talk_flags(parser)
    return parser


def _add_place_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may ask for what")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    port = _whole_number(0, 65535)
    group.add_argument("--port", type=port, default=8080, metavar="N", help="0: any free one (%(default)s)")
    group.add_argument(
        "--token-file", metavar="FILE", help="the tokens that are accepted (default: see below)"
    )
    group.add_argument(
        "--allow-private-urls",
        action="store_true",
        help="download from private and loopback addresses too",
    )


def _add_load_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("load")
    group.add_argument(
        "--workers",
        type=types.workers,
        default="auto",
        metavar="N",
        help="processes with a model each, or 'auto': one a core (%(default)s)",
    )
    group.add_argument(
        "--max-waiting",
        type=_whole_number(0, 10_000),
        default=64,
        metavar="N",
        help="requests that wait for their turn; further ones get 429 (%(default)s)",
    )
    group.add_argument(
        "--rate",
        type=_whole_number(1, 100_000),
        metavar="N",
        help="requests taken in any one second; further ones get 429 (default: no ceiling)",
    )


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse
