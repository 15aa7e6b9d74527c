"""`facebeam`: one console script, a subcommand for each thing it does."""

import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version

from runners.exit_codes import MEANINGS, STOPPED
from runners.strict_parser import StrictParser

COMMANDS = {
    "annotate": ("runners.local", "annotate every image of a manifest, into Parquet tables"),
    "plan": ("runners.plan", "tell what a run would send, cost and take, without sending anything"),
    "replay": ("runners.replay", "run dead letters again, as a new run"),
    "status": ("runners.status", "tell how far a run on a cluster has come"),
    "cancel": ("runners.cancel", "end a run on a cluster"),
    "finalize": ("runners.finalize", "wait for a run on a cluster, and report it"),
    "serve": ("runners.serve", "answer the API's own requests with the local model"),
}
"""Subcommand -> the module whose `main(argv)` carries it out, imported only then; what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `facebeam`; give its exit code."""
    _open_closed_streams()
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen = _parser().parse_args(arguments[:1])
    command: Callable[[Sequence[str]], int] = import_module(COMMANDS[chosen.command][0]).main
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
