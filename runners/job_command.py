"""What the commands that look after a submitted job have in common."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from runners import option_types as types
from runners.exit_codes import WRONG_SETUP
from runners.logs import LOGGER, set_up_logs
from runners.strict_parser import StrictParser, add_talk_flags
from schemas.errors import RunError
from schemas.layout import Layout


@dataclass(frozen=True)
class JobOptions:
    """Which run, and how to talk of it."""

    layout: Layout
    quiet: bool
    log_format: Literal["text", "json"]


def job_command(
    prog: str,
    description: str,
    epilog: str,
    act: Callable[[JobOptions], int],
    argv: Sequence[str] | None,
) -> int:
    """Carry a command out for the run that its flags name; give the exit code."""
    options = _parse(prog, description, epilog, sys.argv[1:] if argv is None else argv)
    set_up_logs(options.log_format, quiet=options.quiet)
    from runners.remote_files import use_remote_files  # noqa: PLC0415 - pyarrow, after the flags

    try:
        use_remote_files([options.layout.output])
        return act(options)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP


def _parse(prog: str, description: str, epilog: str, argv: Sequence[str]) -> JobOptions:
    parser = StrictParser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=description,
        epilog=epilog,
    )
    parser.add_argument("--run", type=types.run_id, required=True, metavar="ID", help="the run's name")
    parser.add_argument(
        "--output", required=True, type=types.path, metavar="DIR", help="folder of the tables of all runs"
    )
    add_talk_flags(parser)
    values = parser.parse_args(parser.known_flags(argv))
    return JobOptions(Layout(values.output, values.run), values.quiet, values.log_format)
