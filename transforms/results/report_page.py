"""Make the report: one HTML page that needs no network, no script and no server."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.run_record import RunRecord
from facebeam.transforms.http.shown_text import shown_text, shown_url
from facebeam.transforms.results.dead_examples import DeadExample
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
    """A bar of a plot; `height` is in % of the tallest bar."""

    label: str
    number: int
    height: float


class Plot(NamedTuple):
    """A small plot."""

    title: str
    bars: Sequence[Bar]


class Dead(NamedTuple):
    """An error code of the run, with its dead letters."""

    code: str
    letters: int
    meaning: str
    cure: str
    example: str
    replay: str


class ShownRun(NamedTuple):
    """The run that a report is about."""

    output: str
    record: RunRecord
    credits: float | None
    """The most that its calls may have cost. None: the calls are free."""
    examples: Mapping[str, DeadExample]
    """Error code -> one dead letter."""


def report_page(run: ShownRun, survey: Survey, sections: Sequence[Section], comparison: object = None) -> str:
    """Make the page. Jinja escapes all texts, and the page's security policy forbids all scripts."""
    output, record = run.output, run.record
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        output=output,
        record=record,
        credits=run.credits,
        latencies={name: value for name, value in record.latency_ms._asdict().items() if value is not None},
        options=_options(record),
        manifests=[shown_url(path) for path in record.facts.manifests],
        models=survey.models.most_common(),
        dead=_dead(run),
        plots=_plots(survey),
        sections=[section for section in sections if section.tiles],
        switches=[*dict.fromkeys(SWITCHES.values())],
        comparison=comparison,
    )


def _options(record: RunRecord) -> Mapping[str, str]:
    """Give the flags that have a value, as texts."""
    given = {
        name: value for name, value in record.facts.options.items() if value not in (None, False, [], "")
    }
    return {f"--{name.replace('_', '-')}": shown_text(str(value)) for name, value in given.items()}


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


def _dead(run: ShownRun) -> list[Dead]:
    commonest = sorted(run.record.counts.dead.items(), key=lambda item: -item[1])
    return [_dead_code(run, code, count) for code, count in commonest]


def _dead_code(run: ShownRun, code: str, count: int) -> Dead:
    known = ErrorCode.named(code)
    where = f"--output {shlex.quote(run.output)} --run {shlex.quote(run.record.run_id)}"
    return Dead(
        code,
        count,
        known.meaning,
        known.cure,
        ": ".join(filter(None, run.examples.get(code, ()))),
        f"facebeam replay {where} --codes {code}",
    )
