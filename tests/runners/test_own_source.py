"""examples/own_source.py: another vendor's API, with 106 points, goes through the pipeline unchanged."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from numpy.typing import NDArray

from facebeam.schemas.landmarks import LANDMARK_COUNT, MIRROR, REGIONS
from facebeam.schemas.tables import face_points
from tests.helpers.console import ROOT, Finished, table
from tests.helpers.scripted_server import Exchange, ScriptedServer

EXAMPLE = ROOT / "examples/own_source.py"
NAMES = runpy.run_path(str(EXAMPLE))
MIRROR_106 = [
    *range(32, -1, -1),  # contour
    *range(42, 32, -1),  # upper edges of the brows
    *range(43, 47),  # bridge
    *range(51, 46, -1),  # below the nose
    *(61, 60, 59, 58, 63, 62, 55, 54, 53, 52, 57, 56),  # eyes
    *range(71, 63, -1),  # lower edges of the brows
    *(75, 76, 77, 72, 73, 74),  # lids
    *(79, 78, 81, 80, 83, 82),  # wings
    *(90, 89, 88, 87, 86, 85, 84, 95, 94, 93, 92, 91),  # lips, outer
    *(100, 99, 98, 97, 96, 103, 102, 101),  # lips, inner
    *(105, 104),  # pupils
]
"""Permutation of the vendor's points under a left-right flip."""


def points_of(number: int) -> NDArray[np.float32]:
    """Make the vendor's points of a face, as far apart as the points of two faces."""
    return np.arange(212, dtype=np.float32).reshape(106, 2) + np.float32(1000 * number)


@dataclass
class Vendor:
    """A script that answers by the image's name; `busy` once with a 429."""

    calls: list[dict[str, object]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def __call__(self, exchange: Exchange) -> None:
        """Answer one call."""
        asked = json.loads(exchange.body)
        with self.lock:
            self.calls.append(asked)
            self.keys.add(exchange.headers["Authorization"])
            times = self.calls.count(asked)
        match Path(asked["image_url"]).stem:
            case "gone":
                exchange.answer(b"", "404 Not Found")
            case "odd":
                exchange.answer(b'{"faces": [[[1, 2]]]}')
            case "busy" if times == 1:
                exchange.answer(b"", "429 Too Many Requests", {"Retry-After": "0"})
            case "nobody":
                exchange.answer(self.body(0))
            case _:
                exchange.answer(self.body(2))

    @staticmethod
    def body(faces: int) -> bytes:
        """Write an answer."""
        found = [points_of(number).tolist() for number in range(faces)]
        return json.dumps({"width": 640, "height": 480, "request_id": "r-1", "faces": found}).encode()


def run_example(folder: Path, url: str, key: str) -> Finished:
    """Run the example over a manifest of these images; its output is `out`."""
    names = ("two", "busy", "gone", "odd", "nobody", "two")
    urls = "\n".join(f"https://images.example.com/{name}.jpg" for name in names)
    (folder / "urls.txt").write_text(urls)
    command = [sys.executable, str(EXAMPLE), str(folder / "urls.txt"), str(folder / "out"), url]
    environment = os.environ | {"VENDOR_KEY": key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_another_vendor_fills_the_same_tables(tmp_path: Path) -> None:
    """Faces have 90 points, failures are dead letters with their codes, and the column names the source."""
    vendor = Vendor()
    with ScriptedServer({"/faces": vendor}) as server:
        finished = run_example(tmp_path, server.url("/faces"), "s3cret")
    assert finished.returncode == 0, finished.stderr
    images = table(tmp_path / "out", "images").set_index("image_url").sort_index()
    assert set(images["source"]) == {"vendor"}
    assert images["face_count"].tolist() == [2, 0, 2, 2]
    assert images["attempts"].tolist() == [2, 1, 1, 1]
    assert set(images["trace_id"]) == {"r-1"}
    faces = table(tmp_path / "out", "faces")
    assert set(faces["source"]) == {"vendor"}
    mapped = [NAMES["ninety_points"](points_of(number)) for number in faces["face_index"]]
    assert (face_points(faces) == np.stack(mapped)).all()
    letters = table(tmp_path / "out", "dead_letters").set_index("image_url")
    assert letters["error_code"].astype(str).to_dict() == {
        "https://images.example.com/gone.jpg": "not_found",
        "https://images.example.com/odd.jpg": "invalid_response",
    }
    assert len([asked for asked in vendor.calls if "two" in str(asked["image_url"])]) == 1
    assert vendor.keys == {"Bearer s3cret"}


def test_a_wrong_key_ends_the_run(tmp_path: Path) -> None:
    """A refused key is told with its cure, and nothing is committed."""
    scripts = {"/faces": lambda exchange: exchange.answer(b"", "401 Unauthorized")}
    with ScriptedServer(scripts) as server:
        finished = run_example(tmp_path, server.url("/faces"), "wrong")
    assert finished.returncode == 1
    assert "set VENDOR_KEY" in finished.stderr
    assert not (tmp_path / "out/faces").exists()


def test_each_landmark_has_its_place() -> None:
    """The table names every landmark, and a mirrored face has mirrored landmarks."""
    places = NAMES["PLACES"]
    assert {region: len(places[region]) for region in REGIONS} == REGIONS
    points = np.random.default_rng(1).normal(size=(106, 2)).astype(np.float32)
    flip = np.array([-1, 1], np.float32)
    mapped = NAMES["ninety_points"](points)
    assert mapped.shape == (LANDMARK_COUNT, 2)
    of_mirrored = NAMES["ninety_points"](points[MIRROR_106] * flip)
    np.testing.assert_allclose(of_mirrored, mapped[list(MIRROR)] * flip, atol=1e-6)


@pytest.mark.parametrize(("landmark", "point"), [(0, 0), (5, 8), (10, 16), (20, 32)])
def test_the_contour_is_thinned_out_evenly(landmark: int, point: int) -> None:
    """The ends, the chin and every fifth landmark lie on a point of the vendor's; the others between two."""
    points = np.zeros((106, 2), np.float32)
    points[:33, 0] = np.arange(33)
    mapped = NAMES["ninety_points"](points)[:21, 0]
    assert mapped[landmark] == point
    np.testing.assert_allclose(np.diff(mapped), 1.6, atol=1e-5)
