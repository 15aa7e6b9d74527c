"""What the commands that look after a submitted job have in common."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runners import option_types as types
from runners.exit_codes import WRONG_SETUP
from runners.flags import Flag, OptionsParser
from runners.logs import LOGGER, set_up_logs
from runners.talk_options import TalkOptions
from schemas.errors import RunError
from schemas.layout import Layout


@dataclass(frozen=True, kw_only=True)
class _WhichRun:
    TITLE: ClassVar[str] = "which run"

    run: Annotated[str, Flag("the run's name", types.run_id, "ID")]
    output: Annotated[str, Flag("folder of the tables of all runs", types.path, "DIR")]


@dataclass(frozen=True, kw_only=True)
class JobOptions(_WhichRun, TalkOptions):
    """Which run, and how to talk of it."""

    @property
    def layout(self) -> Layout:
        """Where the run's files are."""
        return Layout(self.output, self.run)


def job_command(
    prog: str,
    description: str,
    epilog: str,
    act: Callable[[JobOptions], int],
    argv: Sequence[str] | None,
) -> int:
    """Carry a command out for the run that its flags name; give the exit code."""
    parser = OptionsParser(JobOptions, prog, description, epilog)
    options, rest = parser.parse(sys.argv[1:] if argv is None else argv)
    if rest:
        parser.error(f"unexpected argument {rest[0]!r}")
    set_up_logs(options.log_format, quiet=options.quiet)
    from runners.remote_files import use_remote_files  # noqa: PLC0415 - pyarrow, after the flags

    try:
        use_remote_files([options.layout.output])
        return act(options)
    except RunError as error:
        LOGGER.error("%s", error)
        return WRONG_SETUP
