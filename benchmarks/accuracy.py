"""Measure the local model's accuracy on labelled photographs: `python -m benchmarks.accuracy FACES_DIR...`.

A FACES_DIR contains `truth.json`: path of each photograph, relative to this folder or its parent -> its
labels.

    {"images/a.jpg": {"n_faces": {"min": 2, "max": 2},
                      "faces": [{"box": [40, 52, 80, 96]}, {"box": [210, 60, 75, 90], "yaw_deg": 65}],
                      "tags": ["group", "mask"]}}

The first table needs only these labels. It counts the labelled faces that the model finds, by pose, size and
tag, and the false faces. A box is x, y, width and height. A labelled face counts as found if the model
reports a face of about the same place and size. The model's limit of ten faces is not applied. If a label has
`points68` (in iBUG's order), or the `points30` of a profile and the side that it `looks` to, the table also
shows the error of the points, in % of the face's size. A mesh with an error of more than 15 % counts as
wrong. A face in a box of `not_judged` does not count, because the labellers could not decide what is there.
If `all_faces_annotated` is false and there is no `not_judged`, only faces beyond the maximum of `n_faces`
count as false.

The second table needs `points68`, `scheme`, `annotator` and `schemes.json`. Corners and pupils are compared
as points. Outlines are compared as curves: mean distance from the model's points to the labelled line. Both
are in % of the distance between the eyes' outer corners, or of the face's size if the yaw is over 45 degrees.
The labelled place of a pupil is the middle of the eye's labelled outline, which is wrong if the person looks
to the side. Contours of faces by a `corrected` annotator are left out if the yaw is over 15 degrees, because
their hidden side is a projection.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import region_slice
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FaceModel, largest_first
from facebeam.transforms.local_model.ninety_points import ninety_points

Points = NDArray[np.float32]


class TrueFace(TypedDict, total=False):
    """One labelled face of `truth.json`."""

    scheme: str
    annotator: str
    yaw_deg: float
    yaw_deg_by_eye: float
    box: list[float]
    points68: list[list[float]]
    points30: list[list[float]]
    looks: str


class TrueImage(TypedDict, total=False):
    """One photograph of `truth.json`."""

    n_faces: dict[str, int]
    all_faces_annotated: bool
    faces: list[TrueFace]
    not_judged: list[list[float]]
    tags: list[str]


class Labelled(NamedTuple):
    """A photograph with its labels."""

    path: Path
    labels: TrueImage


def labelled(folder: Path) -> list[Labelled]:
    """Read a folder's labels."""
    truth: dict[str, TrueImage] = json.loads((folder / "truth.json").read_bytes())
    places = {name: folder / name for name in truth}
    return [
        Labelled(path if path.exists() else folder.parent / name, truth[name])
        for name, path in places.items()
    ]


WRONG: Final = 15.0
"""A mesh with a larger error, in % of the face's size, counts as wrong."""
_OURS: Final = {"left": (21, 25, 53), "right": (29, 33, 59)}
"""Side of the image -> landmarks of the model: outer and inner corner of the eye, corner of the mouth."""
_TIP: Final = 75
_IBUG: Final[tuple[int, ...]] = (36, 39, 48, 45, 42, 54, 30)
_CFP: Final[tuple[int, ...]] = (12, 15, 25, 21)
"""The same points, then the nose tip, in labels of 68 points (`_IBUG`) and of 30 points (`_CFP`)."""


def error_of(points: Points, face: TrueFace) -> float:
    """Give the mean distance between a face's key points and those of its label, in % of the label's size."""
    ours: tuple[int, ...] = (*_OURS["left"], *_OURS["right"], _TIP)
    truth, theirs = np.array(face.get("points68")), _IBUG
    if "points30" in face:
        # A face that looks to the left of the image shows the half on the right.
        side = "right" if "image left" in face["looks"] else "left"
        ours, truth, theirs = (*_OURS[side], _TIP), np.array(face["points30"]), _CFP
    apart = np.linalg.norm(points[list(ours)] - truth[list(theirs)], axis=1).mean()
    return float(100 * apart / np.ptp(truth, axis=0).max())


def has_points(face: TrueFace) -> bool:
    """Tell whether a label has points, so that an error can be measured."""
    return bool({"points68", "points30"} & face.keys())


def is_at(points: Points, box: Sequence[float]) -> bool:
    """Tell whether a face has about the place and the size of a label's box."""
    low, high = points.min(axis=0), points.max(axis=0)
    corner, extent = np.array(box[:2]), np.array(box[2:])
    sizes = np.sqrt([np.prod(high - low), np.prod(extent)])
    shift = float(np.hypot(*((low + high) / 2 - corner - extent / 2)))
    return bool(shift < 0.6 * sizes.min() and sizes.max() < 2.4 * sizes.min())


_SIZES: Final = ((24.0, "under 24 px"), (40.0, "24 to 40 px"), (float("inf"), "40 px and more"))
_POSES: Final = ((30.0, "under 30 degrees, or not told"), (60.0, "30 to 60 degrees"), (360.0, "60 and more"))


def groups_of(face: TrueFace, tags: Sequence[str]) -> Iterator[str]:
    """Name the rows of the table in which a label counts."""
    yield "all"
    yaw = abs(face.get("yaw_deg", face.get("yaw_deg_by_eye", 0.0)))
    yield next(f"yaw {name}" for limit, name in _POSES if yaw < limit)
    yield next(name for limit, name in _SIZES if min(face["box"][2:]) < limit)
    yield from tags


class Tally(NamedTuple):
    """What one row of the table counts: whether each label is found, and the errors of those with points."""

    found: list[bool]
    errors: list[float]


def score_photograph(faces: Sequence[Points], labels: TrueImage, rows: dict[str, Tally]) -> int:
    """Add a photograph's labels to the rows of the table; give the number of false faces."""
    explained = set[int]()
    for face in labels["faces"]:
        near = [i for i, points in enumerate(faces) if is_at(points, face["box"])]
        explained.update(near)
        errors = [error_of(faces[i], face) for i in near] if has_points(face) else []
        for row in groups_of(face, labels.get("tags", [])):
            rows[row].found.append(bool(near))
            rows[row].errors.extend(errors[:1] and [min(errors)])
    for box in labels.get("not_judged", []):
        explained.update(i for i, points in enumerate(faces) if is_at(points, box))
    if "painted" in labels.get("tags", []):
        return 0
    most = labels["n_faces"]["max"]
    if labels.get("all_faces_annotated", True) or most == 0 or "not_judged" in labels:
        return len(faces) - len(explained)
    return max(0, len(faces) - most)


def print_groups(rows: dict[str, Tally]) -> None:
    """Print the first table; rows with more labels come first."""
    print("| labelled faces | found | error, median | of 90 % | wrong |\n|---|---|---|---|---|")
    for name, row in sorted(rows.items(), key=lambda item: -len(item[1].found)):
        cells = "- | - | -"
        if row.errors:
            middle, most = np.percentile(row.errors, [50, 90])
            cells = f"{middle:.1f} | {most:.1f} | {sum(np.array(row.errors) > WRONG)} of {len(row.errors)}"
        print(f"| {name} | {sum(row.found)} of {len(row.found)} | {cells} |")


CURVES = {
    "eye outline": [("left_eye", slice(0, 8), "left_eye_ring"), ("right_eye", slice(0, 8), "right_eye_ring")],
    "outer mouth": [("mouth", slice(0, 12), "mouth_outer_ring")],
    "inner mouth": [("mouth", slice(12, 22), "mouth_inner_ring")],
    "upper brows": [
        ("left_eye_brow", slice(5, 8), "left_brow_upper"),
        ("right_eye_brow", slice(5, 8), "right_brow_upper"),
    ],
    "contour": [("face_profile", slice(1, 20), "profile")],
}
"""Measure -> (region of the model, slice of its landmarks, name of the labelled curve)."""


def distances(
    ours: Points, truth: Points, scheme: dict[str, list[int]], face: TrueFace
) -> Iterator[tuple[str, float]]:
    """Give all measures of one face, in pixels."""
    left, right, mouth = (ours[region_slice(name)] for name in ("left_eye", "right_eye", "mouth"))
    left_ring, right_ring = truth[scheme["left_eye_ring"]], truth[scheme["right_eye_ring"]]
    names = ["left_eye_outer", "left_eye_inner", "right_eye_inner", "right_eye_outer"]
    eye_corners = truth[[scheme[name] for name in names]]
    yield "eye corners", apart(np.stack([left[0], left[4], right[4], right[0]]), eye_corners)
    yield "mouth corners", apart(mouth[[0, 6]], truth[[scheme["mouth_left"], scheme["mouth_right"]]])
    centres = np.stack([left_ring.mean(axis=0), right_ring.mean(axis=0)])
    yield "pupils", apart(ours[88:], centres)
    yield "eye centres", apart(np.stack([left.mean(axis=0), right.mean(axis=0)]), centres)
    for measure, parts in CURVES.items():
        if measure == "contour" and "corrected" in face["annotator"] and abs(face["yaw_deg"]) > 15:
            continue
        values = [
            from_curve(
                ours[region_slice(region)][chosen], truth[scheme[curve]], closed=curve.endswith("_ring")
            )
            for region, chosen, curve in parts
        ]
        yield measure, float(np.mean(values))


def apart(ours: Points, truth: Points) -> float:
    """Give the mean distance of pairs of points."""
    return float(np.hypot(*(ours - truth).T).mean())


def from_curve(ours: Points, curve: Points, *, closed: bool) -> float:
    """Give the mean distance of points to a polyline."""
    starts, ends = (curve, np.roll(curve, -1, axis=0)) if closed else (curve[:-1], curve[1:])
    along = ends - starts
    offsets = ours[:, np.newaxis] - starts
    share = (offsets * along).sum(axis=2) / np.maximum(np.square(along).sum(axis=1), 1e-9)
    nearest = starts + np.clip(share, 0, 1)[..., np.newaxis] * along
    return float(np.linalg.norm(ours[:, np.newaxis] - nearest, axis=2).min(axis=1).mean())


def face_scale(truth: Points, scheme: dict[str, list[int]], face: TrueFace) -> float:
    """Give the length in pixels that is 100 % for the errors of a face."""
    if abs(face.get("yaw_deg", 0)) > 45:
        return float(np.mean(face["box"][2:]))
    return float(np.hypot(*(truth[scheme["left_eye_outer"]] - truth[scheme["right_eye_outer"]])))


def print_points(measured: dict[str, dict[str, list[float]]]) -> None:
    """Print the second table: mean, median and number of faces, by who labelled them."""
    human = [found for name, found in measured.items() if name.startswith("human")]
    names = human[0] if human else ()
    both = {name: [*chain.from_iterable(found[name] for found in human)] for name in names}
    columns = {"all human": both, **measured} if human else measured
    print("\nmean / median distance, % of the outer eye distance")
    print(f"{'':16}" + "".join(f"{name:>22}" for name in columns))
    for measure in next(iter(columns.values())):
        values = (found[measure] for found in columns.values())
        cells = (f"{np.mean(each):.2f} / {np.median(each):.2f} ({len(each)})" for each in values)
        print(f"{measure:16}" + "".join(f"{cell:>22}" for cell in cells))


def main(folders: Sequence[Path], turns: tuple[int, ...]) -> None:
    """Measure all photographs, and print."""
    model = FaceModel()
    rows: dict[str, Tally] = defaultdict(lambda: Tally([], []))
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    false = {}
    for folder in folders:
        known = folder / "schemes.json"
        schemes: dict[str, dict[str, list[int]]] = json.loads(known.read_bytes()) if known.exists() else {}
        for path, labels in labelled(folder):
            image = decode_image(path.read_bytes())
            fitted = largest_first([*model.fitted_faces(image.pixels, turns)])
            faces = [ninety_points(one.mesh.vertices) * np.float32(image.shrunk_by) for one in fitted]
            false[path.name] = score_photograph(faces, labels, rows)
            for face in labels["faces"]:
                near = [points for points in faces if is_at(points, face["box"])]
                scheme = schemes.get(face.get("scheme", ""), {})
                if near and "points68" in face and scheme:
                    truth = np.array(face["points68"], np.float32)
                    scale = face_scale(truth, scheme, face)
                    for measure, pixels in distances(near[0], truth, scheme, face):
                        measured[face["annotator"].split(" ")[0]][measure].append(100 * pixels / scale)
    print_groups(rows)
    wrong = [f"{name} ({count})" for name, count in false.items() if count]
    print(f"\nfalse faces in {len(false)} photographs: {', '.join(wrong) or 'none'}")
    if measured:
        print_points(measured)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--turned", action="store_true", help="look as with --need-rotate-detection 1")
    parser.add_argument("faces", metavar="FACES_DIR", type=Path, nargs="+", help="labelled photographs")
    chosen = parser.parse_args()
    for missing in (each for each in chosen.faces if not (each / "truth.json").is_file()):
        parser.error(f"{missing} has no truth.json: name a folder of labelled photographs")
    main(chosen.faces, (0, 1, 2, 3) if chosen.turned else (0,))
