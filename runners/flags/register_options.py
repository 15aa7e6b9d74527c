"""The flags of `facebeam register`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from facebeam.runners.exit_codes import BY_SIGNAL
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import TablesFolder, Umask
from facebeam.runners.flags.shared_options import TalkOptions

EPILOG: Final = f"""\
example:
  facebeam register --delta --output out

A run whose columns have other types than those of the log is not registered; all other runs are.

exit codes:
  0  the log has the files of all committed runs
  2  a flag or the output is wrong, or at least one run is not registered
{BY_SIGNAL}
"""


@dataclass(frozen=True, kw_only=True)
class _What:
    TITLE: ClassVar[str] = "what is registered"

    output: TablesFolder
    delta: Annotated[bool, Flag("write a Delta log into the folder of each table")] = False
    umask: Umask = 0o077


@dataclass(frozen=True, kw_only=True)
class RegisterOptions(_What, TalkOptions):
    """The checked flags of `facebeam register`."""


def register_parser() -> OptionsParser[RegisterOptions]:
    """Build the parser of `facebeam register`."""
    return OptionsParser(
        RegisterOptions,
        "facebeam register",
        "Register the files of all committed runs in a table format, without copying or moving them.",
        EPILOG,
    )


def parse_register(argv: Sequence[str]) -> RegisterOptions:
    """Parse and check the flags of `register`; a wrong flag ends the process with exit code 2."""
    parser = register_parser()
    options = parser.parse_all(argv)
    if not options.delta:
        parser.error("--delta is missing: it is the only table format so far")
    return options
