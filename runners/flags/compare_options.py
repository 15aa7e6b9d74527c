"""The flags of `facebeam compare`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from facebeam.runners.exit_codes import BY_SIGNAL
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import OtherRunOptions, TablesFolder
from facebeam.runners.flags.shared_options import TalkOptions

EPILOG: Final = f"""\
examples:
  facebeam compare --output out --run monday --with tuesday
  facebeam compare --output local-out --with-output api-out --key image_id

exit codes:
  0  the runs are compared, whatever the differences
  2  a flag or an output is wrong, or the runs have no image in common
{BY_SIGNAL}
"""


@dataclass(frozen=True, kw_only=True)
class _Which:
    TITLE: ClassVar[str] = "which run"

    output: TablesFolder
    run: Annotated[
        str, Flag("run to compare; 'latest': the run that was committed last", types.run_id, "ID")
    ] = "latest"


@dataclass(frozen=True, kw_only=True)
class CompareOptions(_Which, OtherRunOptions, TalkOptions):
    """What the user asked for; every value is checked."""


def compare_parser() -> OptionsParser[CompareOptions]:
    """Build the parser of `facebeam compare`."""
    return OptionsParser(
        CompareOptions,
        "facebeam compare",
        "Compare two committed runs: outcomes, and the landmarks of each face in % of its eye distance.",
        EPILOG,
    )


def parse_compare(argv: Sequence[str]) -> CompareOptions:
    """Parse and check the flags of a comparison; a wrong one ends the process with exit code 2."""
    parser = compare_parser()
    options = parser.parse_all(argv)
    if not options.has_other:
        parser.error("name the other run with --with, or its output with --with-output")
    return options
