"""Measure export and report of a large run: `python -m benchmarks.results`.

The run has 1,000,000 rows and 1,000,000 faces; a fifth of the rows are dead letters. This script writes its
tables without a pipeline. The images cannot be fetched, so the report shows the reason instead of pictures.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import FACEBEAM, cost_of, machine
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.landmarks import LANDMARK_COUNT
from facebeam.schemas.layout import Layout
from facebeam.schemas.values import Annotation, Answer, DeadLetter, Face, Failure, ManifestRow
from facebeam.transforms.steps.flatten import flatten_dead_letters, flatten_faces, flatten_images

ROWS: Final = 1_000_000
DEAD_SHARE: Final = 5
"""One of so many rows is a dead letter."""
FACES_AN_IMAGE: Final = (0, 1, 1, 3)
"""Numbers of faces, repeated for every four images: 1.25 on average, so 800,000 images have 1,000,000."""
NO_COLUMNS: Final = pa.schema([])
_AT_A_TIME: Final = 40_000


def main() -> None:
    """Measure each format and the report."""
    print(machine())
    with TemporaryDirectory() as scratch:
        output = Path(scratch, "out")
        write_run(output)
        for name in ("parquet", "coco"):
            flags = ["--newest", "--format", name, "--to", f"{scratch}/{name}"]
            _show(f"export {name} --newest", [FACEBEAM, "export", "--output", str(output), *flags])
        _show("report", [FACEBEAM, "report", "--output", str(output)])
        size = Path(Layout(str(output), "one").report).stat().st_size
        print(f"report: {size / 1e6:.1f} MB of HTML")


def _show(name: str, command: list[str]) -> None:
    cost = cost_of(command)
    print(f"{name}: {cost.wall_s:.0f} s, CPU {cost.cpu_s:.0f} s, peak {cost.peak_mb:.0f} MB", flush=True)


def write_run(output: Path, rows: int = ROWS) -> None:
    """Write a committed run with this number of rows, a multiple of 20."""
    layout, dead = Layout(str(output), "one"), rows // DEAD_SHARE
    chance = np.random.default_rng(0)
    letters = flatten_dead_letters([_dead_letter(i) for i in range(dead)], NO_COLUMNS)
    _write(layout, f"dead_letters/error_code={ErrorCode.TIMEOUT}", 0, letters)
    for number, start in enumerate(range(0, rows - dead, _AT_A_TIME)):
        answered = [_annotation(i, chance) for i in range(start, min(start + _AT_A_TIME, rows - dead))]
        _write(layout, "images", number, flatten_images(answered, NO_COLUMNS))
        _write(layout, "faces", number, flatten_faces(answered, NO_COLUMNS))
    counts = {
        "rows_read": rows,
        "ok": (rows - dead) * 3 // 4,
        "no_face": (rows - dead) // 4,
        "faces": rows,
        "face_count": rows,
    }
    record = {
        "run_id": "one",
        "started_at": "2026-11-23T00:00:00+00:00",
        "committed_at": "2026-11-23T01:00:00+00:00",
        "options": {"source": "fake", "price": 0.0025},
        "manifests": {"photos.csv": "sha256:0"},
        "versions": {"facebeam": "0.1.0"},
        "counts": counts | {"dead": {ErrorCode.TIMEOUT: dead}},
        "calls": {"images": rows, "sent": rows},
        "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
    }
    Path(layout.records).mkdir(parents=True)
    Path(layout.run_json).write_text(json.dumps(record))
    Path(layout.success).touch()


def _write(layout: Layout, table: str, number: int, rows: pa.RecordBatch) -> None:
    name, _, below = table.partition("/")
    path = Path(layout.published(name, f"{below}/part-{number:03}.parquet".lstrip("/")))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path, row_group_size=10_000, compression="zstd")


def _row(number: int) -> ManifestRow:
    return ManifestRow(f"https://images.invalid/2026/11/{number:08}.jpg", f"image-{number}")


def _annotation(number: int, chance: np.random.Generator) -> Annotation:
    points = chance.random((FACES_AN_IMAGE[number % 4], LANDMARK_COUNT, 2), np.float32) * 480
    faces = tuple(Face(of_face, score=chance.random()) for of_face in points)
    answer = Answer(
        faces=faces,
        image_width=640,
        image_height=480,
        face_model_version="fake-1",
        source="fake",
        latency_ms=1.0,
    )
    return Annotation(_row(number), answer)


def _dead_letter(number: int) -> DeadLetter:
    return DeadLetter(
        _row(number), Failure(ErrorCode.TIMEOUT, f"message {number}", stage="fetch", attempts=1)
    )


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
