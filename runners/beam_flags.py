"""Judge the flags that are not ours by Beam's own parsers: Beam itself ignores what it does not know."""

from collections.abc import Sequence
from difflib import get_close_matches

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from runners.run_flags import run_parser
from runners.strict_parser import StrictParser, flag_names
from schemas.errors import RunError


def check_beam_flags(flags: Sequence[str]) -> PipelineOptions:
    """Turn Beam's flags into its options.

    Raises:
        RunError: a flag is neither ours nor Beam's, or its value is not one; names the nearest right flag.
    """
    parser = _beam_parser()
    _, unknown = parser.parse_known_args(flags)
    if unknown:
        raise RunError(_unknown_flag(unknown[0].partition("=")[0], parser))
    return PipelineOptions(list(flags))


class _BeamFlagsParser(StrictParser, _BeamArgumentParser):
    """Beam's flags, with errors as ours."""


def _beam_parser() -> _BeamFlagsParser:
    parser = _BeamFlagsParser(
        prog="facebeam annotate", add_help=False, allow_abbrev=False, conflict_handler="resolve"
    )
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)  # noqa: SLF001 - Beam's own way to them, without a public one
    return parser


def _unknown_flag(flag: str, beam: StrictParser) -> str:
    nearest = get_close_matches(flag, [*flag_names(run_parser()), *flag_names(beam)], n=1)
    cure = f"did you mean {nearest[0]}?" if nearest else "see 'facebeam annotate --help'"
    return f"there is no flag {flag}: {cure}"
