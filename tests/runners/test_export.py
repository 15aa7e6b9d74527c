"""`facebeam export` through the command line: what other tools read is what the tables hold."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebeam.schemas.landmarks import landmark_names
from facebeam.schemas.read_tables import newest
from facebeam.schemas.skeleton import SKELETON
from facebeam.schemas.tables import BOX_COLUMNS, face_points
from tests.helpers.console import FACEBEAM, ROOT, Finished, annotate, facebeam, rehearse, table

READERS = ROOT / ".readers"
NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES = (
    f"https://example.com/{name}.jpg" for name in ("d0", "b0", "a8", "c28")
)
"""By the URLs alone the fake source knows their faces."""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotate two nights: the second one has one image again, with another own column, and a dead letter."""
    folder = tmp_path_factory.mktemp("nights")
    first = "\n".join(f"{url},7" for url in (NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES))
    (folder / "1.csv").write_text(f"image_url,score_of_user\n{first}\n")
    (folder / "2.csv").write_text(f"image_url,label\n{TWO_FACES},=1+2\nhttps://e.com/fail-timeout/a.jpg,b\n")
    for run in "12":
        assert rehearse(folder / f"{run}.csv", folder / "out", "--run-id", run).returncode == 0
    return folder / "out"


def export(output: Path, to: Path, *flags: object) -> Finished:
    """Run `facebeam export`; it has to succeed."""
    finished = facebeam("export", "--output", output, "--to", to, *flags)
    assert finished.returncode == 0, finished.stderr
    return finished


def coco(folder: Path) -> dict[str, Any]:
    """Read the file of a COCO export."""
    found: dict[str, Any] = json.loads((folder / "annotations/person_keypoints_default.json").read_text())
    return found


def test_parquet_holds_the_newest_answers_with_the_columns_of_all_runs(output: Path, tmp_path: Path) -> None:
    """Each image is there once, own columns of both nights are there, and the card has the counts."""
    export(output, tmp_path / "to", "--format", "parquet", "--newest")
    images, faces = (pd.read_parquet(tmp_path / "to" / name) for name in ("images", "faces"))
    assert Counter(images["image_url"]) == Counter([NO_FACE, ONE_FACE, TWO_FACES, THREE_FACES])
    assert set(faces.loc[faces["image_url"] == TWO_FACES, "label"]) == {"=1+2"}
    assert set(faces.loc[faces["image_url"] == ONE_FACE, "score_of_user"]) == {"7"}
    expected = newest(str(output), "faces").read_all()
    assert np.array_equal(face_points(faces), face_points(expected))
    assert "6 faces in 4 images" in (tmp_path / "to/README.md").read_text()


@pytest.mark.parametrize("kind", ["parquet", "coco"])
def test_models_that_differ_are_said(output: Path, tmp_path: Path, kind: str) -> None:
    """An export of answers by two versions of a model warns; one of a single run does not."""
    shutil.copytree(output, tmp_path / "out")
    (path,) = (tmp_path / "out/images/run=2").glob("*.parquet")
    images = pq.ParquetFile(path).read()
    place = images.schema.get_field_index("face_model_version")
    other = pa.array(["fake-2"] * len(images), images.schema.field(place).type)
    pq.write_table(images.set_column(place, images.schema.field(place), other), path)
    flags = ("--format", kind, "--newest")
    said = export(tmp_path / "out", tmp_path / "to", *flags).stderr
    assert "the faces come from models that differ: fake fake-1, fake fake-2; --run exports one" in said
    assert "the faces come from" not in export(output, tmp_path / "to2", *flags).stderr


def test_a_table_without_rows_has_a_file_with_its_columns(tmp_path: Path) -> None:
    """Without faces, the file of `faces` has no row groups, as `datasets` wants it."""
    (tmp_path / "one.txt").write_text(f"{NO_FACE}\n")
    rehearse(tmp_path / "one.txt", tmp_path / "out")
    export(tmp_path / "out", tmp_path / "to", "--format", "parquet")
    (file,) = (tmp_path / "to/faces").iterdir()
    assert pq.read_metadata(file).num_row_groups == 0
    assert "mouth_00_x" in pq.read_schema(file).names


def test_one_run_or_every_run(output: Path, tmp_path: Path) -> None:
    """`--run` exports the rows of one run, and without it every row of every run is exported."""
    export(output, tmp_path / "every", "--format", "coco")
    export(output, tmp_path / "last", "--format", "coco", "--run", "latest")
    export(output, tmp_path / "first", "--format", "coco", "--run", "1")
    counts = {name: len(coco(tmp_path / name)["images"]) for name in ("every", "last", "first")}
    assert counts == {"every": 5, "last": 1, "first": 4}
    assert {image["run"] for image in coco(tmp_path / "last")["images"]} == {"2"}


def test_coco_has_every_point_of_every_face(output: Path, tmp_path: Path) -> None:
    """Keypoints are the table's points to 0.01 pixel, with names, boxes, and lines within regions."""
    export(output, tmp_path / "to", "--format", "coco", "--newest")
    found = coco(tmp_path / "to")
    (category,) = found["categories"]
    assert category["keypoints"] == landmark_names()
    assert all(
        landmark_names()[a - 1].rsplit("_", 1)[0] == landmark_names()[b - 1].rsplit("_", 1)[0]
        for a, b in category["skeleton"]
    )
    urls = {image["id"]: image["coco_url"] for image in found["images"]}
    expected = table(output, "faces").drop_duplicates(["image_url", "face_index"])
    for row, points in zip(expected.to_dict("records"), face_points(expected), strict=True):
        of_image = [face for face in found["annotations"] if urls[face["image_id"]] == row["image_url"]]
        face = of_image[row["face_index"]]
        assert np.abs(np.reshape(face["keypoints"], (90, 3))[:, :2] - points).max() <= 0.0051
        assert face["bbox"] == pytest.approx([row[name] for name in BOX_COLUMNS], abs=0.01)
    assert len(found["annotations"]) == len(expected)


def test_coco_tells_points_beyond_the_border(photos: Path, tmp_path: Path) -> None:
    """A landmark outside of the picture is labelled, but not visible: 1 instead of 2."""
    (tmp_path / "a.txt").write_text(f"{photos / 'obama_partial_face.jpg'}\n")
    annotate(tmp_path / "a.txt", tmp_path / "out", "--allow-local-files")
    export(tmp_path / "out", tmp_path / "to", "--format", "coco")
    found = coco(tmp_path / "to")
    (image,) = found["images"]
    for face in found["annotations"]:
        for x, y, visible in np.reshape(face["keypoints"], (90, 3)):
            assert visible == (2 if 0 <= x <= image["width"] and 0 <= y <= image["height"] else 1)
    assert {v for face in found["annotations"] for v in face["keypoints"][2::3]} == {1, 2}
    assert image["file_name"] == str(photos / "obama_partial_face.jpg")


@pytest.mark.slow
def test_pycocotools_loads_the_export(output: Path, tmp_path: Path) -> None:
    """Pycocotools finds all faces, and evaluates the file against itself as perfect."""
    if not (READERS / "ready").exists():
        pytest.skip(f"{READERS} is not there: run 'make .readers/ready'")
    export(output, tmp_path / "to", "--format", "coco", "--newest")
    code = """
import json, numpy, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
truth = COCO(sys.argv[1])
faces = truth.loadAnns(truth.getAnnIds(catIds=truth.getCatIds(["face"])))
guessed = truth.loadRes([{**face, "score": 1.0} for face in faces])
judged = COCOeval(truth, guessed, "keypoints")
judged.params.kpt_oks_sigmas = numpy.full(90, 0.05)
judged.evaluate(); judged.accumulate(); judged.summarize()
print(json.dumps([len(truth.imgs), len(faces), judged.stats[0]]))
"""
    file = tmp_path / "to/annotations/person_keypoints_default.json"
    finished = subprocess.run(
        [READERS / "bin/python", "-c", code, file], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == [4, 6, pytest.approx(1.0)]


@pytest.mark.slow
def test_datumaro_loads_the_export(output: Path, tmp_path: Path) -> None:
    """Datumaro, by which CVAT imports, recognizes the format and finds every point, name and line."""
    if not (READERS / "ready").exists():
        pytest.skip(f"{READERS} is not there: run 'make .readers/ready'")
    export(output, tmp_path / "to", "--format", "coco", "--newest")
    (tmp_path / "to/images").mkdir()  # where the images would be; CVAT, which has them, needs no folder
    code = """
import datumaro, json, sys
(kind,) = datumaro.Environment().detect_dataset(sys.argv[1])
found = datumaro.Dataset.import_from(sys.argv[1], kind)
faces = [a for item in found for a in item.annotations if a.type == datumaro.AnnotationType.points]
(category,) = found.categories()[datumaro.AnnotationType.points].items.values()
numbers = [len(face.points) for face in faces]
print(json.dumps([kind, len(found), numbers, category.labels, len(category.joints)]))
"""
    finished = subprocess.run(
        [READERS / "bin/python", "-c", code, tmp_path / "to"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    expected = ["coco_person_keypoints", 4, [180] * 6, landmark_names(), len(SKELETON)]
    assert json.loads(finished.stdout.splitlines()[-1]) == expected


@pytest.mark.slow
def test_hugging_face_loads_the_parquet_folder(output: Path, tmp_path: Path) -> None:
    """`load_dataset` of the folder finds both tables through the card."""
    if not (READERS / "ready").exists():
        pytest.skip(f"{READERS} is not there: run 'make .readers/ready'")
    export(output, tmp_path / "to", "--format", "parquet", "--newest")
    code = """
import datasets, sys
print(*(len(datasets.load_dataset(sys.argv[1], name, split="train")) for name in ("faces", "images")))
"""
    env = os.environ | {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(
        [READERS / "bin/python", "-c", code, tmp_path / "to"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["6", "4"]


def test_webdataset_has_the_bytes_of_each_image_and_its_points(photos: Path, tmp_path: Path) -> None:
    """A sample holds the image as it is, its points and the manifest's columns; what is gone is listed."""
    gone = tmp_path / "gone.png"
    gone.write_bytes((photos / "astronaut.png").read_bytes())
    names = ("obama.jpg", "chelsea.png")
    rows = [f"{photos / name},{name}" for name in names]
    (tmp_path / "a.csv").write_text("\n".join(["image_url,label", *rows, f"{gone},x"]))
    annotate(tmp_path / "a.csv", tmp_path / "out", "--allow-local-files")
    gone.unlink()
    finished = export(tmp_path / "out", tmp_path / "to", "--format", "webdataset", "--log-format", "json")
    (missing,) = map(json.loads, (tmp_path / "to/not_fetched.jsonl").read_text().splitlines())
    assert (missing["image_url"], missing["error_code"]) == (str(gone), "not_found")
    said = json.loads(finished.stderr.splitlines()[-1])
    assert (said["event"], said["images"], said["not_fetched"]) == ("exported", 2, 1)
    samples = read_tar(tmp_path / "to/shard-000000000.tar")
    assert len(samples) == len(names)
    for files in samples.values():
        about = json.loads(files["json"])
        name = about["columns"]["label"]
        assert files[Path(name).suffix[1:]] == (photos / name).read_bytes()
        faces = table(tmp_path / "out", "faces")
        points = face_points(faces[faces["image_url"] == about["image_url"]])
        assert np.array_equal(np.load(io.BytesIO(files["npy"])), points)
        assert len(about["faces"]) == len(points)


def test_webdataset_writes_values_that_json_does_not_have(photos: Path, tmp_path: Path) -> None:
    """Bytes, dates and infinite numbers of own columns become JSON that every reader accepts."""
    values = {
        "digest": [b"\x00\xff"],
        "share": [float("nan")],
        "sizes": [[1.5, float("-inf")]],
        "taken": [{"on": date(2026, 1, 2)}],
        "cost": [Decimal("1.50")],
    }
    pq.write_table(pa.table({"image_url": [str(photos / "obama.jpg")], **values}), tmp_path / "a.parquet")
    annotate(tmp_path / "a.parquet", tmp_path / "out", "--allow-local-files")
    export(tmp_path / "out", tmp_path / "to", "--format", "webdataset")
    (files,) = read_tar(tmp_path / "to/shard-000000000.tar").values()
    about = json.loads(files["json"], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert about["columns"] == {
        "digest": "AP8=",
        "share": None,
        "sizes": [1.5, None],
        "taken": {"on": "2026-01-02"},
        "cost": "1.50",
    }


def read_tar(path: Path) -> dict[str, dict[str, bytes]]:
    """Group the files of a tar into samples as WebDataset does: by the name before the first dot."""
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            key, _, ending = entry.name.partition(".")
            content = tar.extractfile(entry)
            assert content
            samples.setdefault(key, {})[ending] = content.read()
    return samples


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--format", "coco", "--to", "there"], "there exists already. An export never changes a folder"),
        (["--format", "coco", "--to", "new", "--run", "3"], "no committed run 3. 'facebeam runs' lists"),
        (
            ["--format", "coco", "--to", "new", "--run", "1", "--newest"],
            "--newest and --run exclude each other",
        ),
        (["--format", "webdataset", "--to", "new"], "none of the 5 images could be fetched, for example"),
        (["--format", "coco", "--to", "/dev/full/new"], "cannot write /dev/full/new"),
        (["--format", "coco", "--to", "new", "stray"], "unexpected argument 'stray'"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    output: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    """A wrong flag exits with 2 and one sentence, and leaves neither a folder nor a part of one."""
    (tmp_path / "there").mkdir()
    finished = facebeam("export", "--output", output, *flags, cwd=tmp_path)
    assert finished.returncode == 2
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_output_without_runs_is_said(tmp_path: Path) -> None:
    """An output without a committed run exits with 2."""
    finished = facebeam("export", "--output", tmp_path, "--format", "coco", "--to", tmp_path / "to")
    assert finished.returncode == 2
    assert "has no committed run: give the --output of a committed run" in finished.stderr


def test_a_full_disk_is_said_and_leaves_nothing(output: Path, tmp_path: Path) -> None:
    """A file that cannot be written in whole exits with 2, and the part of it is removed."""
    command = f"{FACEBEAM} export --output {output} --format coco --to {tmp_path}/to"
    limited = f"ulimit -f 8; exec {command}"
    finished = subprocess.run(["/bin/bash", "-c", limited], capture_output=True, text=True, check=False)
    assert (finished.returncode, [*tmp_path.iterdir()]) == (2, [])
    assert "cannot write" in finished.stderr
