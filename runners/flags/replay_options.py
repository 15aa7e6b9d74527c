"""The flags of `facebeam replay`: its own, which choose rows to run again, and those of the new run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Annotated, ClassVar, Final

from facebeam.runners.exit_codes import MEANINGS
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser, flags_of, spelled
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.flags.result_options import TablesFolder
from facebeam.runners.flags.shared_options import TalkOptions
from facebeam.schemas.errors import ErrorCode

_EXAMPLES: Final = """\
examples:
  facebeam replay --output out/ --run latest --codes retryable
  facebeam replay --output out/ --run nightly --codes timeout,server_error
  facebeam replay --output out/ --run all --codes no_face --mode 1 --rate 5
"""
_OURS: Final = ("--manifest", "--ask-again")


@dataclass(frozen=True, kw_only=True)
class _Letters:
    TITLE: ClassVar[str] = "rows to run again"

    output: TablesFolder
    run: Annotated[
        str,
        Flag(
            "run to take dead letters from; 'latest': the run that was committed last; 'all': every run (a "
            "row that failed in several runs then appears once per run)",
            types.run_id,
            "ID",
        ),
    ]
    codes: Annotated[
        tuple[str, ...],
        Flag(
            f"error codes, or no_face, separated by commas: {', '.join(ErrorCode)}; 'retryable': all codes "
            "after which a replay may succeed",
            types.replay_codes,
            "CODES",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(_Letters, TalkOptions):
    """The checked flags of a replay."""

    flags: tuple[str, ...] = ()
    """Flags of the new run."""


def parse_replay(argv: Sequence[str]) -> ReplayOptions:
    """Parse and check replay's own flags; a wrong flag ends the process with exit code 2."""
    parser = replay_parser()
    chosen, flags = parser.parse(argv)
    for flag in flags:
        if flag.partition("=")[0] in _OURS:
            parser.error(f"{flag} does not work here: choose rows with --run and --codes")
    if "ok" in chosen.codes:
        parser.error(
            "--codes ok: answered rows are not dead letters; annotate the manifest with --ask-again ok"
        )
    return replace(chosen, flags=tuple(flags))


def replay_parser() -> OptionsParser[ReplayOptions]:
    """Build the parser of replay's own flags."""
    inherited = ", ".join(spelled(name) for name, flag in flags_of(RunOptions).items() if flag.inherited)
    text = (
        f"All flags of 'facebeam annotate' work too, except {' and '.join(_OURS)}. If you do not give one of "
        f"these, the replay uses the value of the replayed run (or runs, if they agree): {inherited}. "
        "--max-failure-share is 0 here: a replay exits with 0 only if no row failed again."
    )
    return OptionsParser(
        ReplayOptions,
        "facebeam replay",
        "Run dead letters, or rows without a face, again: as a new run into the same output.",
        f"{_EXAMPLES}\n{MEANINGS}\n{fill(text, width=100, break_on_hyphens=False)}",
    )
