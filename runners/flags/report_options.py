"""The flags of `facebeam report`."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Annotated, ClassVar, Final

from facebeam.runners.exit_codes import BY_SIGNAL
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import OtherRunOptions, PictureOptions, TablesFolder, Umask
from facebeam.runners.flags.shared_options import DownloadOptions, TalkOptions
from facebeam.schemas.errors import RunError

MOST_IMAGES: Final = 1000

EPILOG: Final = f"""\
examples:
  facebeam report --output out
  facebeam report --output out --run 20261123T034527Z-5b96d1 --images 200
  facebeam report --output local-out --with-output api-out --key image_id

The page is OUTPUT/_runs/<run>/report.html. It needs no network; it contains small pictures of faces.

exit codes:
  0  the page is written
  2  a flag or the output is wrong, or the page cannot be written
{BY_SIGNAL}
"""


def _images(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > MOST_IMAGES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MOST_IMAGES}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class _What:
    TITLE: ClassVar[str] = "what is shown"

    output: TablesFolder
    run: Annotated[
        str, Flag("run to show; 'latest': the run that was committed last", types.run_id, "ID")
    ] = "latest"
    images: Annotated[int, Flag("number of pictures; 0 fetches none", _images, "N")] = 100
    umask: Umask = 0o077


@dataclass(frozen=True, kw_only=True)
class ReportOptions(_What, OtherRunOptions, PictureOptions, DownloadOptions, TalkOptions):
    """What the user asked for; every value is checked."""

    flags: tuple[str, ...] = ()
    """The command line, to be parsed again with what the run used."""


def report_parser() -> OptionsParser[ReportOptions]:
    """Build the parser of `facebeam report`."""
    return OptionsParser(
        ReportOptions,
        "facebeam report",
        "Show a committed run as one HTML page: its counts, its errors, and pictures with the landmarks.",
        EPILOG,
    )


def parse_report(argv: Sequence[str], inherited: Mapping[str, object] | None = None) -> ReportOptions:
    """Parse and check the flags of a report; a wrong one ends the process with exit code 2.

    Args:
        argv: the command line.
        inherited: defaults that replace our own: what the run used.

    Raises:
        RunError: what a report needs is not installed.
    """
    if missing := [name for name in ("jinja2", "PIL") if find_spec(name) is None]:
        raise RunError(f"{missing[0]} is not installed: pip install 'facebeam[report]'")
    return replace(report_parser().parse_all(argv, inherited), flags=tuple(argv))
