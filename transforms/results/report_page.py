"""The report: one HTML page that needs no network, no script and no server."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.run_record import CallCounts, RunCounts
from facebeam.transforms.http.shown_text import kept_text, shown_url
from facebeam.transforms.results.survey_run import Survey
from facebeam.transforms.results.tile import SWITCHES, Tile

_TITLES: Final = {
    "face_size": "Size of faces, in pixels of the longer side",
    "score": "Scores",
    "predicted_error": "Predicted error, in % of the eye distance",
    "yaw_deg": "Yaw: turned left or right, in degrees",
    "pitch_deg": "Pitch: up or down, in degrees",
    "roll_deg": "Roll: tilted, in degrees",
}


@dataclass(frozen=True)
class Section:
    """Pictures that are shown together."""

    title: str
    explanation: str
    tiles: Sequence[Tile]


class Bar(NamedTuple):
    """A bar of a plot; `height` is a share of the tallest one, 0 to 100."""

    label: str
    number: int
    height: float


class Plot(NamedTuple):
    """A small plot."""

    title: str
    bars: Sequence[Bar]


class Dead(NamedTuple):
    """An error code of the run."""

    code: str
    letters: int
    meaning: str
    cure: str
    example: str
    replay: str


@dataclass(frozen=True)
class Facts:
    """What `run.json` says of a run.

    Args:
        run_id: the run.
        output: its `--output`.
        counts: rows by their ends.
        calls: calls and where answers came from.
        started_at: start of its last try.
        committed_at: when its tables were complete.
        latency_ms: `p50`, `p95` and `p99` of an image; empty if there was none.
        options: flags with their values.
        manifests: paths of the manifest's files.
        versions: of the programs.
    """

    run_id: str
    output: str
    counts: RunCounts
    calls: CallCounts
    started_at: datetime
    committed_at: datetime
    latency_ms: Mapping[str, float]
    options: Mapping[str, object]
    manifests: Sequence[str]
    versions: Mapping[str, str]

    @property
    def credits(self) -> float | None:
        """What the calls cost at most; None where they are free."""
        price = self.options.get("price")
        is_paid = self.options.get("source") == "api" and isinstance(price, float)
        return self.calls.sent * float(str(price)) if is_paid else None


class Record(TypedDict):
    """What is read of `run.json`."""

    run_id: str
    started_at: str
    committed_at: str
    options: Mapping[str, object]
    manifests: Mapping[str, str]
    versions: Mapping[str, str]
    counts: Mapping[str, int]
    calls: Mapping[str, int]
    latency_ms: Mapping[str, float | None]


def facts_of_run(output: str, record: Record) -> Facts:
    """Take the facts from a run's record."""
    counts: Mapping[str, Any] = record["counts"]
    return Facts(
        run_id=record["run_id"],
        output=output,
        counts=RunCounts(**counts),
        calls=CallCounts(**record["calls"]),
        started_at=datetime.fromisoformat(record["started_at"]),
        committed_at=datetime.fromisoformat(record["committed_at"]),
        latency_ms={name: value for name, value in record["latency_ms"].items() if value is not None},
        options=record["options"],
        manifests=[*record["manifests"]],
        versions=record["versions"],
    )


def report_page(facts: Facts, survey: Survey, sections: Sequence[Section], comparison: object = None) -> str:
    """Make the page. Every text goes through Jinja's escaping, and the page's policy forbids all scripts."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        facts=facts,
        options=_options(facts),
        manifests=[shown_url(path) for path in facts.manifests],
        models=survey.models.most_common(),
        dead=_dead(facts, survey),
        plots=_plots(survey),
        sections=[section for section in sections if section.tiles],
        switches=[*dict.fromkeys(SWITCHES.values())],
        comparison=comparison,
    )


def _options(facts: Facts) -> Mapping[str, str]:
    """Show the flags that have a value."""
    given = {name: value for name, value in facts.options.items() if value not in (None, False, [], "")}
    return {f"--{name.replace('_', '-')}": kept_text(str(value)) for name, value in given.items()}


def _plots(survey: Survey) -> list[Plot]:
    faces = [
        (str(count), survey.faces_per_image[count])
        for count in range(max(survey.faces_per_image, default=0) + 1)
    ]
    measured = [(_TITLES[name], histogram.bars()) for name, histogram in survey.histograms.items()]
    return [
        Plot(title, _bars(values)) for title, values in [("Faces per image, in images", faces), *measured]
    ]


def _bars(values: Iterable[tuple[str, int]]) -> list[Bar]:
    found = [*values]
    most = max((count for _, count in found), default=0) or 1
    return [Bar(label, count, round(100 * count / most, 1)) for label, count in found]


def _dead(facts: Facts, survey: Survey) -> list[Dead]:
    return [
        _dead_code(facts, survey, code, count)
        for code, count in sorted(facts.counts.dead.items(), key=lambda item: -item[1])
    ]


def _dead_code(facts: Facts, survey: Survey, code: str, count: int) -> Dead:
    known, example = ErrorCode.named(code), survey.examples.get(code)
    where = f"--output {shlex.quote(facts.output)} --run {shlex.quote(facts.run_id)}"
    return Dead(
        code,
        count,
        known.meaning,
        cure_of(known),
        f"{shown_url(example.image_url)}: {kept_text(example.message)}" if example else "",
        f"facebeam replay {where} --codes {code}",
    )


def cure_of(code: ErrorCode) -> str:
    """Say what the user can do about a code."""
    about = code.about
    if cure := about.cure or about.set_up_cure:
        return cure
    if about.fate is Fate.REJECT:
        return "use another image, or drop the row"
    return "replay" if about.fate is Fate.RETRY else "replay when the cause is gone"
