"""Compare the local model's landmarks with labels made by people: `python -m benchmarks.accuracy FACES_DIR`.

FACES_DIR contains `truth.json`, `schemes.json` and `images/`. Corners are compared as points. Everything else
is compared as a curve: the mean distance of the model's points to the labelled line. Both are in % of the
distance of the eyes' outer corners, or, beyond 45 degrees of yaw, in % of the face's size. No data set here
has labels for pupils, so the middle of the labelled eye outline is used, which is wrong for eyes that look
sideways. Contours of `human-corrected` faces are left out beyond 15 degrees of yaw, because their hidden side
is a projection.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from facebeam.schemas.landmarks import region_slice
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.face_model import FaceModel

Points = NDArray[np.float32]


class TrueFace(TypedDict, total=False):
    """One labelled face of `truth.json`."""

    scheme: str
    annotator: str
    yaw_deg: float
    box: list[float]
    points68: list[list[float]]
    points30: list[list[float]]
    looks: str


class TrueImage(TypedDict):
    """One photograph of `truth.json`."""

    n_faces: dict[str, int]
    faces: list[TrueFace]


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
"""Measure -> (region of the model, which of its landmarks, labelled curve)."""


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
    """Give the length in pixels that counts as 100 %."""
    if abs(face.get("yaw_deg", 0)) > 45:
        return float(np.mean(face["box"][2:]))
    return float(np.hypot(*(truth[scheme["left_eye_outer"]] - truth[scheme["right_eye_outer"]])))


def main(folder: Path) -> None:
    """Print the tables: detection, then accuracy per kind of label."""
    truth: dict[str, TrueImage] = json.loads((folder / "truth.json").read_bytes())
    schemes: dict[str, dict[str, list[int]]] = json.loads((folder / "schemes.json").read_bytes())
    model = FaceModel()
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    print("faces found / labelled / seen by eye")
    for name, image in truth.items():
        faces = model.find_faces(decode_image((folder / name).read_bytes()))
        missed = 0
        for face in image["faces"]:
            if "points68" not in face:
                continue
            points, scheme = np.array(face["points68"], dtype=np.float32), schemes[face["scheme"]]
            scale = face_scale(points, scheme, face)
            nearest = min(faces, key=lambda ours: apart(ours.mean(axis=0), points.mean(axis=0)), default=None)
            if nearest is None or apart(nearest.mean(axis=0), points.mean(axis=0)) > scale:
                missed += 1
                continue
            for measure, pixels in distances(nearest, points, scheme, face):
                measured[face["annotator"].split(" ")[0]][measure].append(100 * pixels / scale)
        seen = image["n_faces"]
        print(
            f"{name:42}{len(faces):3} /{len(image['faces']):2} / {seen['min']}-{seen['max']}, {missed} missed"
        )
    human = measured["human"], measured["human-corrected"]
    both = {measure: human[0][measure] + human[1][measure] for measure in human[0]}
    print("\nmean distance, % of the outer eye distance")
    columns = {"all human": both, **measured}
    print(f"{'':16}" + "".join(f"{name:>20}" for name in columns))
    for measure in both:
        cells = (f"{np.mean(values[measure]):.2f} ({len(values[measure])})" for values in columns.values())
        print(f"{measure:16}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("faces", metavar="FACES_DIR", type=Path, help="labelled photographs, see above")
    chosen = parser.parse_args().faces
    if not (chosen / "truth.json").is_file():
        parser.error(f"{chosen} has no truth.json: name a folder of labelled photographs")
    main(chosen)
