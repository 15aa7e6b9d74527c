"""`facebeam`: one console script, a subcommand for each thing it does."""

import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pkgutil import resolve_name

from facebeam.runners.exit_codes import MEANINGS, STOPPED
from facebeam.runners.flags.strict_parser import StrictParser

COMMANDS = {
    "annotate": ("annotate:main", "annotate every image of a manifest, into Parquet tables"),
    "plan": (
        "plan:main",
        "tell what a run would send, cost and take, without sending anything",
    ),
    "replay": ("replay:main", "run dead letters again, as a new run"),
    "status": ("jobs:status", "tell how far a run on a cluster has come"),
    "cancel": ("jobs:cancel", "end a run on a cluster"),
    "finalize": ("jobs:finalize", "wait for a run on a cluster, and report it"),
    "serve": ("serve:main", "answer the API's own requests with the local model"),
}
"""Subcommand -> module here and its function (argv -> exit code), imported only then; what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `facebeam`; give its exit code."""
    _open_closed_streams()
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen = _parser().parse_args(arguments[:1])
    command: Callable[[Sequence[str]], int] = resolve_name(f"facebeam.runners.{COMMANDS[chosen.command][0]}")
    try:
        return command(arguments[1:])
    except KeyboardInterrupt:  # a run that has begun ends in its own way
        sys.stderr.write("facebeam: stopped\n")
        return STOPPED


def _open_closed_streams() -> None:
    """Lead streams that the caller has closed (`>&-`) to nowhere.

    Python has None for them, and the first file that a run opens would get their number: what a library
    prints there would then stand in it.
    """
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode))


def _parser() -> StrictParser:
    listed = "\n".join(f"  {name:10} {what}" for name, (_, what) in COMMANDS.items())
    parser = StrictParser(
        prog="facebeam",
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
        usage="facebeam [--help] [--version] COMMAND ...",
        description="A manifest of image URLs in, Parquet tables of facial landmarks out.",
        epilog=f"commands:\n{listed}\n\n'facebeam COMMAND --help' tells a command's flags.\n\n{MEANINGS}",
    )
    parser.add_argument("--version", action="version", version=f"facebeam {version('facebeam')}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
