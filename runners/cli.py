"""`facebeam`: the console script, with a subcommand per task."""

import os
import sys
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from facebeam.runners.ctrl_c import StoppedError, ended_by_signal
from facebeam.runners.exit_codes import MEANINGS, WRONG_SETUP
from facebeam.runners.flags.strict_parser import StrictParser
from facebeam.runners.logs import LOGGER, set_up_logs
from facebeam.schemas.errors import RunError

if TYPE_CHECKING:
    from facebeam.runners.flags.shared_options import TalkOptions


class Command(NamedTuple):
    """A subcommand: two functions, each given as `module:function` in this folder, and imported when used."""

    parse: str
    """The command line -> options. Its module imports nothing slow, so a wrong flag is reported at once."""
    act: str
    """The options -> an exit code. Its module imports what the work needs."""
    what: str
    """What it does, for `facebeam --help`."""


COMMANDS = {
    "annotate": Command(
        "flags.options:parse_annotate",
        "annotate:annotate",
        "annotate every image of a manifest, into Parquet tables",
    ),
    "plan": Command(
        "flags.options:parse_plan",
        "plan:plan",
        "show what a run would send and cost, and how long it would take; send nothing",
    ),
    "replay": Command(
        "flags.replay_options:parse_replay", "replay:replay", "run dead letters again, as a new run"
    ),
    "runs": Command("flags.job_options:parse_runs", "runs:runs", "list the runs of an output"),
    "status": Command(
        "flags.job_options:parse_status", "runs:status", "print the state of a run, here or on a cluster"
    ),
    "cancel": Command("flags.job_options:parse_cancel", "jobs:cancel", "cancel a run on a cluster"),
    "finalize": Command(
        "flags.job_options:parse_finalize", "jobs:finalize", "wait for a run on a cluster, and report it"
    ),
    "report": Command(
        "flags.report_options:parse_report",
        "report:report",
        "show a committed run as one HTML page with pictures",
    ),
    "compare": Command(
        "flags.compare_options:parse_compare",
        "compare:compare",
        "compare two runs, image by image and face by face",
    ),
    "export": Command(
        "flags.export_options:parse_export",
        "export:export",
        "write the answers of committed runs in another format",
    ),
    "register": Command(
        "flags.register_options:parse_register",
        "register:register",
        "list the files of committed runs in a Delta log",
    ),
    "serve": Command(
        "service.serve_options:parse_serve",
        "serve:serve",
        "answer the API's own requests with the local model",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `facebeam`; give its exit code."""
    _open_closed_streams()
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen = COMMANDS[_parser().parse_args(arguments[:1]).command]
    try:
        with ended_by_signal():  # a run in progress replaces this by its own way to stop
            parse: Callable[[Sequence[str]], TalkOptions] = _function(chosen.parse)
            options = parse(arguments[1:])
            set_up_logs(options.log_format, quiet=options.quiet)
            act: Callable[[TalkOptions], int] = _function(chosen.act)
            return act(options)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP
    except StoppedError as stopped:
        LOGGER.error("stopped")
        return stopped.exit_code


def _function(name: str) -> Callable[..., Any]:
    """Import a function; a test checks that `act` takes what `parse` returns."""
    found: Callable[..., Any] = resolve_name(f"facebeam.runners.{name}")
    return found


def _open_closed_streams() -> None:
    """Connect standard streams that the caller has closed (`>&-`) to /dev/null.

    Python gives None for a closed stream, and the first file that a run opens would get its number. Then text
    that a library prints to the stream would end up in that file.
    """
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode))


def _parser() -> StrictParser:
    listed = "\n".join(f"  {name:10} {what}" for name, (_, _, what) in COMMANDS.items())
    parser = StrictParser(
        prog="facebeam",
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
        usage="facebeam [--help] [--version] COMMAND ...",
        description="A manifest of image URLs in, Parquet tables of facial landmarks out.",
        epilog=f"commands:\n{listed}\n\n'facebeam COMMAND --help' lists a command's flags.\n\n{MEANINGS}",
    )
    parser.add_argument("--version", action="version", version=f"facebeam {version('facebeam')}")
    parser.add_argument("command", type=_command, metavar="COMMAND", help="one of the commands below")
    return parser


def _command(name: str) -> str:
    if name in COMMANDS:
        return name
    close = get_close_matches(name, COMMANDS, n=1, cutoff=0.7)
    cure = f"did you mean {close[0]}?" if close else f"choose from {', '.join(COMMANDS)}"
    raise ArgumentTypeError(f"there is no command {name!r}: {cure}")


if __name__ == "__main__":
    sys.exit(main())
