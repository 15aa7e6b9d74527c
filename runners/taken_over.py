"""What a replay does as its runs did: the same questions, asked in the same manner."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from runners.option_types import ALL_RUNS
from schemas.errors import RunError
from schemas.layout import RUNS, Layout

_QUESTION: Final = (
    "source",
    "mode",
    "need_rotate_detection",
    "journal",
    "base_url",
    "face_model_version",
)
"""What decides an answer: runs that differ in it cannot be replayed together without a word."""
_TOKEN_PLACES: Final = ("token_file", "token_secret")
_MANNER: Final = (
    "allow_local_files",
    "allow_private_urls",
    "user_agent",
    "header",
    "ca_file",
    "connections_per_host",
    "host_rate",
    "rate",
    "price",
    "timeout",
    "trust_proxies",
    *_TOKEN_PLACES,
)
TAKEN_OVER: Final = _QUESTION + _MANNER


def committed_runs(output: str, run: str) -> list[str]:
    """Name the committed runs that are meant: one, or `all` of an output.

    Raises:
        RunError: there is none.
    """
    from transforms import publish  # noqa: PLC0415 - imports Beam

    if run == ALL_RUNS:
        if not (runs := publish.committed_runs(output)):
            raise RunError(f"{output} has no committed run: correct --output")
        return runs
    if not publish.is_committed(Layout(output, run)):
        raise RunError(f"{output} has no committed run {run}: look into {output}/{RUNS}, or say --run all")
    return [run]


def options_of(output: str, runs: Iterable[str], flags: Sequence[str]) -> Mapping[str, object]:
    """Give the options that a replay takes over from its runs: those in which they agree.

    Where a flag names the token's place, the runs' is none any more.

    Raises:
        RunError: they ask different questions, and no flag says which is meant.
    """
    from transforms.output_files import read_json  # noqa: PLC0415 - imports Beam

    records = [read_json(Layout(output, run).run_json)["options"] for run in runs]
    given = {flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags}
    if given & {*_TOKEN_PLACES}:
        given |= {*_TOKEN_PLACES}
    found: dict[str, object] = {}
    for name in TAKEN_OVER:
        values = [record[name] for record in records if name in record]
        if not values or name in given:
            continue
        if all(value == values[0] for value in values):
            found[name] = tuple(values[0]) if isinstance(values[0], list) else values[0]
        elif name in _QUESTION:
            differing = " and ".join(sorted({str(value) for value in values}))
            raise RunError(f"these runs differ in --{name.replace('_', '-')}, {differing}: say which with it")
    return found
