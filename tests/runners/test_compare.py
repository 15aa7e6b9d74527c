"""`facebeam compare` through the command line: what differs between two runs, and by how much."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.landmarks import REGIONS
from facebeam.schemas.tables import face_points
from tests.helpers.console import Finished, facebeam, rehearse

NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES = (
    f"https://example.com/{name}.jpg" for name in ("d0", "b0", "a8", "c28")
)
"""By the URLs alone the fake source knows their faces."""
FAILS = "https://example.com/fail-timeout/x.jpg"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotate four images; their ids are a, b, c and d."""
    return run(tmp_path_factory.mktemp("first"), [NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES])


def run(folder: Path, urls: list[str], ids: str = "abcd") -> Path:
    """Annotate images under these ids; give the output."""
    rows = "\n".join(f"{image_id},{url}" for image_id, url in zip(ids, urls, strict=True))
    (folder / "m.csv").write_text(f"image_id,image_url\n{rows}\n")
    finished = rehearse(folder / "m.csv", folder / "out", "--run-id", "one")
    assert finished.returncode == 0, finished.stderr
    return folder / "out"


def changed(output: Path, to: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """Copy an output, with another table of faces."""
    shutil.copytree(output, to)
    (path,) = (to / "faces").glob("*/*.parquet")
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    return to


def compare(one: Path, other: Path, *flags: object) -> Finished:
    """Compare the runs of two outputs."""
    return facebeam("compare", "--output", one, "--with-output", other, *flags)


def compared(one: Path, other: Path, *flags: object) -> dict[str, Any]:
    """Compare the runs of two outputs; give the result for machines."""
    finished = compare(one, other, "--log-format", "json", *flags)
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stderr.splitlines()[-1])
    return found


def test_equal_runs_do_not_differ(first: Path, tmp_path: Path) -> None:
    """Faces in another order are the same faces: all are matched, and no point is apart."""
    found = compared(first, changed(first, tmp_path / "out", reordered))
    assert (found["images_in_both"], found["faces_matched"]) == (4, 6)
    assert {spread["worst"] for spread in found["distances"].values()} == {0.0}
    assert not found["outcomes_that_differ"]
    assert not found["models_differ"]


def reordered(faces: pa.Table) -> pa.Table:
    """Turn the order of each image's faces round."""
    index = pc.subtract(pc.subtract(faces["face_count"], faces["face_index"]), pa.scalar(1, pa.int32()))
    place = faces.schema.get_field_index("face_index")
    turned = faces.set_column(place, faces.schema.field(place), index)
    return turned.sort_by([("image_url", "ascending"), ("face_index", "ascending")])


def test_a_region_that_moved_is_measured(first: Path, tmp_path: Path) -> None:
    """Moving the nose of every face by two pixels moves the nose, and no other region, by that much."""

    def moved(faces: pa.Table) -> pa.Table:
        for i, name in enumerate(faces.schema.names):
            if name.startswith("nose_") and name.endswith("_x"):
                shifted = pc.add(faces[name], pa.scalar(2, pa.float32()))
                faces = faces.set_column(i, faces.schema.field(i), shifted)
        return faces

    found = compared(first, changed(first, tmp_path / "out", moved))
    (path,) = (first / "faces").glob("*/*.parquet")
    points = face_points(pq.ParquetFile(path).read())
    apart = [abs(face[21:29].mean(axis=0) - face[29:37].mean(axis=0)) for face in points]
    expected = max(200 / float((x * x + y * y) ** 0.5) for x, y in apart)
    assert found["distances"]["nose"]["worst"] == pytest.approx(expected, rel=1e-3)
    others = [found["distances"][region]["worst"] for region in REGIONS if region != "nose"]
    assert others == [0.0] * 8


def test_faces_that_one_run_lacks_are_counted(first: Path, tmp_path: Path) -> None:
    """A face that is missing in one run is counted for the other one."""
    other = changed(first, tmp_path / "out", lambda faces: faces.filter(pc.equal(faces["face_index"], 0)))
    found = compared(first, other)
    assert [side["faces_only_here"] for side in found["runs"]] == [3, 0]
    assert found["faces_matched"] == 3


def test_outcomes_that_differ_are_counted_and_ids_may_name_images(first: Path, tmp_path: Path) -> None:
    """By their ids, images of other URLs are the same ones: one failed, one has no face any more."""
    other = run(tmp_path, [NO_FACE, NO_FACE, FAILS, ONE_FACE, THREE_FACES], "abcef")
    found = compared(first, other, "--key", "image_id")
    assert found["images_in_both"] == 3
    assert [side["images_only_here"] for side in found["runs"]] == [1, 2]
    outcomes = {tuple(each["outcomes"]): each["images"] for each in found["outcomes_that_differ"]}
    assert outcomes == {("ok", "no_face"): 1, ("ok", "timeout"): 1}


def test_an_id_that_repeats_is_said(first: Path, tmp_path: Path) -> None:
    """Of rows with the same id the first one is compared, and the others are counted."""
    other = run(tmp_path, [NO_FACE, ONE_FACE, TWO_FACES], "aab")
    sides = compared(first, other, "--key", "image_id")["runs"]
    assert [side["rows_that_repeat"] for side in sides] == [0, 1]


def test_people_get_tables(first: Path, tmp_path: Path) -> None:
    """On a terminal two tables show counts and distances, and different models are named."""
    models = changed(first, tmp_path / "out", lambda faces: faces)
    for table in ("faces", "images"):
        (path,) = (models / table).glob("*/*.parquet")
        rows = pq.ParquetFile(path).read()
        place = rows.schema.get_field_index("face_model_version")
        newer = pa.array(["fake-2"] * len(rows))
        pq.write_table(rows.set_column(place, rows.schema.field(place), newer), path)
    finished = compare(first, models)
    assert "the runs have different sources or model versions" in finished.stdout
    for shown in ("(fake fake-1)", "(fake fake-2)", "images in both", "right pupil", "worst"):
        assert shown in finished.stdout


def test_a_run_without_answers_has_no_other_model(first: Path, tmp_path: Path) -> None:
    """If all images of a run failed, the runs have different outcomes, and not different models."""
    dead = run(tmp_path, [FAILS], "a")
    finished = compare(first, dead, "--key", "image_id")
    assert "(no answers)" in finished.stdout
    assert "different sources or model versions" not in finished.stdout


def test_the_report_shows_what_differs(photos: Path, tmp_path: Path) -> None:
    """A report with another run has the table of distances, and draws the points of both runs."""
    (tmp_path / "m.txt").write_text(f"{photos / 'obama.jpg'}\n")
    flags = ("--manifest", tmp_path / "m.txt", "--output", tmp_path / "one", "--allow-local-files")
    assert facebeam("annotate", *flags).returncode == 0

    def moved(faces: pa.Table) -> pa.Table:
        place = faces.schema.get_field_index("mouth_00_x")
        return faces.set_column(
            place, faces.schema.field(place), pc.add(faces["mouth_00_x"], 5.0).cast("float")
        )

    other = changed(tmp_path / "one", tmp_path / "other", moved)
    finished = facebeam("report", "--output", tmp_path / "one", "--with-output", other)
    assert finished.returncode == 0, finished.stderr
    (page,) = (tmp_path / "one/_runs").glob("*/report.html")
    html = page.read_text()
    assert "Largest differences" in html
    assert "Compared with another run" in html
    assert html.count('class="mouth with"') == 1
    assert html.count('class="mouth main"') == 3  # also among the lowest scores, and in the random sample


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "name the other run with --with, or its output with --with-output"),
        (["--with", "one"], "both runs are run one of"),
        (["--with", "two"], "has no committed run two. 'facebeam runs' lists"),
        (["--with-output", "nowhere"], "nowhere has no committed run"),
    ],
)
def test_what_cannot_be_compared_is_said(first: Path, flags: list[str], said: str) -> None:
    """A run that is missing, or the same one twice, exits with 2 and one sentence."""
    finished = facebeam("compare", "--output", first, *flags)
    assert finished.returncode == 2
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_runs_without_a_common_image_are_refused(first: Path, tmp_path: Path) -> None:
    """Two runs of different images exit with 2, and the error names the other key."""
    other = run(tmp_path, ["https://example.com/other.jpg"], "a")
    finished = compare(first, other)
    assert finished.returncode == 2
    assert "have no image_url in common" in finished.stderr
    assert "--key image_id" in finished.stderr
