"""What the user asked of a run: checked values, and whether they go together."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal

from runners.cluster_options import ClusterOptions, cluster_options
from runners.download_options import DownloadOptions
from runners.strict_parser import StrictParser

_API_ONLY: Final = (
    "rate",
    "budget_calls",
    "budget_credits",
    "stop_at",
    "max_duration",
    "window",
    "base_url",
    "face_model_version",
    "token_file",
    "token_secret",
)
_LOCAL_ONLY: Final = ("user_agent", "header", "connections_per_host", "host_rate")


@dataclass(frozen=True)
class RunOptions(DownloadOptions):
    """What the user asked for; every value is checked."""

    manifest: tuple[str, ...]
    output: str
    source: Literal["local", "api", "fake"]
    run_id: str | None
    limit: int | None
    """Rows from the manifest's beginning."""
    sample: int | None
    """Rows at random."""
    url_column: str
    journal: str | None
    umask: int
    """Rights that nobody gets on what is written."""
    max_age: float | None
    """Seconds after which a stored answer does not count any more."""
    mode: Literal[0, 1]
    need_rotate_detection: Literal[0, 1]
    allow_local_files: bool
    workers: int | None
    timeout: float | None
    """Seconds."""
    max_failure_share: float
    rate: float | None
    budget_calls: int | None
    budget_credits: float | None
    price: float
    """Credits a call."""
    stop_at: datetime | None
    max_duration: float | None
    """Seconds."""
    window: int | None
    base_url: str
    face_model_version: str
    token_file: str | None
    token_secret: str | None
    trust_proxies: bool
    ask_again: tuple[str, ...]
    shards: int | None
    cluster: ClusterOptions
    quiet: bool
    log_format: Literal["text", "json"]
    beam_flags: tuple[str, ...]
    """What is not ours, for Beam's own parsers to judge."""


def parse_run(parser: StrictParser, argv: Sequence[str]) -> RunOptions:
    """Parse and check the flags of one run; a wrong one ends the process with exit code 2."""
    known, beam_flags = parser.parse_known_args(parser.known_flags(argv))
    if stray := [flag for flag in beam_flags[:1] if not flag.startswith("--")]:
        parser.error(f"{stray[0]!r} belongs to no flag; several manifests follow one --manifest")
    values = vars(known) | {"manifest": tuple(known.manifest), "beam_flags": tuple(beam_flags)}
    values["cluster"] = cluster_options(parser, values)
    options = RunOptions(**{field.name: values[field.name] for field in fields(RunOptions)})
    _check_together(parser, options)
    return options


def _check_together(parser: StrictParser, options: RunOptions) -> None:
    """See that the flags go with one another."""
    for source, names in {"api": _API_ONLY, "local": _LOCAL_ONLY}.items():
        for name in names if options.source != source else ():
            if getattr(options, name) != parser.get_default(name):
                parser.error(f"--{name.replace('_', '-')} goes with --source {source} only")
    if options.token_file and options.token_secret:
        parser.error("--token-file and --token-secret are two places for one token: give one")
    if options.budget_credits is not None and options.budget_credits < options.price:
        parser.error(f"--budget-credits {options.budget_credits:g} pays for no call at {options.price:g}")
