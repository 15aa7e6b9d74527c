"""Fit the local model's score and predicted error: `python -m benchmarks.fit_thresholds FACES_DIR...`.

All candidates of the detector are measured, also those that the model does not report as faces. If a
candidate is at a label with points, its true error is the mean distance between the model's and the labelled
eye corners, mouth corners and nose tip, in % of the face's size. `error_fit` is a linear fit of the logarithm
of the true error. `score_fit` is a logistic regression of "the true error is at most 5 %". A candidate in a
photograph without faces is wrong. For the printed correlation and calibration, each candidate is predicted by
a fit without it.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import error_of, has_points, is_at, labelled
from facebeam.transforms.local_model.certainty import ERROR_SIGNS, SCORE_SIGNS, signs
from facebeam.transforms.local_model.decode_image import decode_image
from facebeam.transforms.local_model.detect_faces import Detector, detect_faces
from facebeam.transforms.local_model.face_crop import crop_around_detection
from facebeam.transforms.local_model.face_mesh import face_mesh
from facebeam.transforms.local_model.network import Network
from facebeam.transforms.local_model.ninety_points import ninety_points
from facebeam.transforms.local_model.weights import MESH

Numbers = NDArray[np.float64]
RIGHT: Final = 5.0
"""Points are right if their error is at most this, in % of the face's size."""
_BINS: Final = (0, 0.5, 0.8, 0.95, 0.99, 1.01)


class Candidate(NamedTuple):
    """The signs of a candidate, and its error in % of the face's size; None: it is not a face."""

    signs: Numbers
    error: float | None


def candidates(folder: Path) -> Iterator[Candidate]:
    """Measure all candidates of a folder that are at a label with points, or that cannot be a face."""
    detector, mesher = Detector(), Network(MESH)
    for path, labels in labelled(folder):
        image = decode_image(path.read_bytes())
        for found in detect_faces(detector, image.pixels, (0,)):
            score = float(found.scores[0])
            crop = crop_around_detection(found.boxes[0], found.points[0])
            mesh = face_mesh(mesher, image.pixels, crop, score)
            points = ninety_points(mesh.vertices) * image.shrunk_by
            near = [face for face in labels["faces"] if has_points(face) and is_at(points, face["box"])]
            errors = [error_of(points, face) for face in near]
            if errors or labels["n_faces"]["max"] == 0:
                yield Candidate(signs(mesh, score), min(errors, default=None))


def fit_line(known: Numbers, wanted: Numbers) -> Numbers:
    """Give the factors of a least-squares fit: float64[n, k], float64[n] -> float64[k]."""
    return np.asarray(np.linalg.lstsq(known, wanted, rcond=None)[0], np.float64)


def fit_logistic(known: Numbers, right: Numbers) -> Numbers:
    """Give the factors of a logistic regression by Newton's method; only the constant is not regularised."""
    factors = np.zeros(known.shape[1])
    pull = 0.01 * np.r_[0, np.ones(known.shape[1] - 1)]
    for _ in range(200):
        share = _share(known, factors)
        slope = known.T @ (known * (share * (1 - share))[:, np.newaxis]) + np.diag(pull + 1e-9)
        factors += np.linalg.solve(slope, known.T @ (right - share) - pull * factors)
    return factors


def _share(known: Numbers, factors: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-known @ factors)))


def rank_correlation(first: Numbers, second: Numbers) -> float:
    """Give Spearman's coefficient of numbers without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def main(folders: list[Path]) -> None:
    """Measure the candidates of all folders, fit, and print the fits and the calibration."""
    found = [one for folder in folders for one in candidates(folder)]
    known = np.array([one.signs for one in found])
    judged = known[:, SCORE_SIGNS]
    right = np.array([float(one.error is not None and one.error <= RIGHT) for one in found])
    is_face = np.array([one.error is not None for one in found])
    errors = np.log([one.error for one in found if one.error is not None])
    faces = known[is_face][:, ERROR_SIGNS]
    others = [np.arange(len(faces)) != i for i in range(len(faces))]
    left_out = np.array([faces[i] @ fit_line(faces[k], errors[k]) for i, k in enumerate(others)])
    print(f"{len(found)} candidates, {is_face.sum()} faces, {right.sum():.0f} right within {RIGHT} %")
    print(f"error_fit {fit_line(faces, errors).round(3)}; Spearman {rank_correlation(left_out, errors):.2f}")
    print(f"score_fit {fit_logistic(judged, right).round(3)}")
    rest = [np.arange(len(known)) != i for i in range(len(known))]
    shares = np.array([_share(judged[i], fit_logistic(judged[k], right[k])) for i, k in enumerate(rest)])
    print("| score | faces | mean score | right |\n|---|---|---|---|")
    for low, high in pairwise(_BINS):
        within = (shares >= low) & (shares < high)
        cells = f"{shares[within].mean():.2f} | {right[within].mean():.2f}" if within.any() else "- | -"
        print(f"| {low} to {min(high, 1)} | {within.sum()} | {cells} |")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FACES_DIR", type=Path, nargs="+", help="labelled photographs")
    main(parser.parse_args().folders)
