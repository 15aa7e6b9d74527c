"""Check Beam's flags with Beam's own parsers: Beam itself ignores flags that it does not know or use."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from apache_beam.io.filesystems import FileSystems
from apache_beam.options import pipeline_options as beam
from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from facebeam.runners.flags.option_types import RUNNERS, Runner
from facebeam.runners.flags.options import run_parser
from facebeam.runners.flags.strict_parser import StrictParser, flag_names
from facebeam.schemas.errors import RunError

_CLUSTERS: Final = ("dataflow", "flink", "portable", "prism")
_USED_BY: Final[Mapping[type[PipelineOptions], Sequence[Runner]]] = {
    beam.DirectOptions: ("local",),
    beam.WorkerOptions: _CLUSTERS,
    beam.SetupOptions: _CLUSTERS,
    beam.PortableOptions: _CLUSTERS,
    beam.JobServerOptions: ("flink",),
    beam.FlinkRunnerOptions: ("flink",),
    beam.PrismRunnerOptions: ("prism",),
    beam.GoogleCloudOptions: ("dataflow",),
    beam.StreamingOptions: (),
    beam.CrossLanguageOptions: (),
    beam.SparkRunnerOptions: (),
    beam.KafkaStreamsRunnerOptions: (),
    beam.TestOptions: (),
    beam.TestDataflowOptions: (),
}
"""Groups of Beam's flags -> the runners that use them. Every runner uses the groups that are not listed."""
_FLAG_USED_BY: Final[Mapping[str, Sequence[Runner]]] = {
    "--runner": RUNNERS,
    "--streaming": (),
    "--no_wait_until_finish": (),
    "--job_name": _CLUSTERS,
    "--resource_hint": _CLUSTERS,
    "--number_of_worker_harness_threads": _CLUSTERS,
    "--dataflow_job_file": ("dataflow",),
    "--no_auth": RUNNERS,
    "--impersonate_service_account": RUNNERS,
    "--gcp_oauth_scope": RUNNERS,
}
"""Flags that differ from their group: the last three are about access to gs:// files."""


def check_beam_flags(flags: Sequence[str], runner: Runner) -> PipelineOptions:
    """Check flags, and turn them into Beam's options.

    Raises:
        RunError: a flag is neither ours nor Beam's, its value is wrong, or the runner does not use it.
    """
    parser = _beam_parser()
    _, unknown = parser.parse_known_args(flags)
    if unknown:
        raise RunError(_unknown_flag(unknown[0].partition("=")[0], parser))
    users = _users()
    for flag in (flag.partition("=")[0] for flag in flags if flag.startswith("--")):
        if runner not in users[flag]:
            others = " or ".join(f"--runner {name}" for name in users[flag])
            cure = f"use it with {others}, or leave it out" if others else "leave it out"
            raise RunError(f"{flag} is a flag of Beam that --runner {runner} does not use: {cure}")
    return PipelineOptions(list(flags))


class _BeamFlagsParser(StrictParser, _BeamArgumentParser):
    """A parser of Beam's flags that reports errors as our own parsers do."""


def set_up_file_systems(flags: Sequence[str], runner: Runner) -> None:
    """Give Beam's file systems their flags before a pipeline exists; raises RunError if a flag is wrong."""
    FileSystems.set_options(check_beam_flags(flags, runner))


def _beam_parser(*groups: type[PipelineOptions]) -> _BeamFlagsParser:
    """Build a parser of some groups of flags; without groups, of all."""
    parser = _BeamFlagsParser(
        prog="facebeam annotate", add_help=False, allow_abbrev=False, conflict_handler="resolve"
    )
    for options in groups or PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)  # noqa: SLF001 - Beam has no public way to its flags
    return parser


def _users() -> Mapping[str, Sequence[Runner]]:
    """Give each of Beam's flags with the runners that use it."""
    groups = {
        flag: group for group in PipelineOptions.__subclasses__() for flag in flag_names(_beam_parser(group))
    }
    return {flag: _FLAG_USED_BY.get(flag, _USED_BY.get(group, RUNNERS)) for flag, group in groups.items()}


def _unknown_flag(flag: str, parser: StrictParser) -> str:
    nearest = get_close_matches(flag, [*flag_names(run_parser()), *flag_names(parser)], n=1)
    cure = f"did you mean {nearest[0]}?" if nearest else "see 'facebeam annotate --help'"
    return f"there is no flag {flag}: {cure}"
