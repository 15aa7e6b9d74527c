"""Prepare a comparison for the report: numbers as text, and pictures with the points of both runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facebeam.transforms.images.fetch_image import Fetch
from facebeam.transforms.results.compare_runs import Comparison, Pair, Spread, count_rows, side_names
from facebeam.transforms.results.picture import Wanted, pictures
from facebeam.transforms.results.report_page import Section
from facebeam.transforms.results.tile import Tile, draw, make_tile


@dataclass(frozen=True)
class ComparisonView:
    """A comparison as the page shows it."""

    names: Sequence[str]
    """Names of the two runs."""
    models: Sequence[str]
    """Sources and versions of models, per run."""
    models_differ: bool
    counts: Sequence[tuple[str, str, str]]
    """What is counted, and its value in each run."""
    distances: Sequence[tuple[str, str, str, str]]
    """Region, and median, 90 % and worst of its distance in % of the eye distance."""
    sections: Sequence[Section]


def comparison_view(found: Comparison, images: int, fetch: Fetch) -> ComparisonView:
    """Prepare a comparison, with at most `images` pictures."""
    alone = found.alone[: images // 2]
    farthest = found.farthest[: images - len(alone)]
    sides = [found.one, found.other]
    return ComparisonView(
        side_names(sides),
        [", ".join(f"{source} {version}" for source, version in sorted(side.models)) for side in sides],
        found.models_differ,
        [*count_rows(found)],
        [_row(region, spread) for region, spread in found.spreads().items()],
        [
            Section(
                "Largest differences",
                "Faces of both runs: coloured points of A, thin white points of B.",
                [*_tiles(farthest, fetch, _how_far)],
            ),
            Section(
                "Faces that only one run has",
                "Coloured points: only A has the face. Thin white points: only B has it.",
                [*_tiles(alone, fetch, _how_many)],
            ),
        ],
    )


def _tiles(pairs: Sequence[Pair], fetch: Fetch, fact: Callable[[Pair], str]) -> Iterator[Tile]:
    wanted = [Wanted(pair.image, np.concatenate([pair.one, pair.other])) for pair in pairs]
    for pair, picture in zip(pairs, pictures(wanted, fetch), strict=True):
        drawn = [*draw(pair.one, "main"), *draw(pair.other, "with")]
        yield make_tile(pair.image, picture, drawn, [fact(pair)])


def _how_far(pair: Pair) -> str:
    return f"{pair.distance:.2f} % of the eye distance apart"


def _how_many(pair: Pair) -> str:
    return f"{len(pair.one)} only in A, {len(pair.other)} only in B"


def _row(region: str, spread: Spread) -> tuple[str, str, str, str]:
    return (region.replace("_", " "), f"{spread.median:.2f}", f"{spread.p90:.2f}", f"{spread.worst:.2f}")
