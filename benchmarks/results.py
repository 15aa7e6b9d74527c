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
from facebeam.schemas.layout import Layout
from facebeam.schemas.tables import COORDINATE_COLUMNS, DEAD_LETTERS, FACES, IMAGES

ROWS: Final = 1_000_000
DEAD: Final = 200_000
FACES_AN_IMAGE: Final = (0, 1, 1, 3)
"""Numbers of faces, repeated for every four images: 1.25 on average, so 800,000 images have 1,000,000."""
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


def write_run(output: Path) -> None:
    """Write a committed run."""
    layout = Layout(str(output), "one")
    chance = np.random.default_rng(0)
    for number, start in enumerate(range(0, ROWS - DEAD, _AT_A_TIME)):
        _write(layout, "images", number, _images(np.arange(start, start + _AT_A_TIME)))
        _write(layout, "faces", number, _faces(np.arange(start, start + _AT_A_TIME), chance))
    _write(layout, "dead_letters/error_code=timeout", 0, _dead_letters())
    counts = {
        "rows_read": ROWS,
        "ok": 600_000,
        "no_face": 200_000,
        "faces": 1_000_000,
        "face_count": 1_000_000,
    }
    record = {
        "run_id": "one",
        "started_at": "2026-11-23T00:00:00+00:00",
        "committed_at": "2026-11-23T01:00:00+00:00",
        "options": {"source": "fake", "price": 0.0025},
        "manifests": {"photos.csv": "sha256:0"},
        "versions": {"facebeam": "0.1.0"},
        "counts": counts | {"dead": {"timeout": DEAD}},
        "calls": {"images": ROWS, "sent": ROWS},
        "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
    }
    Path(layout.records).mkdir(parents=True)
    Path(layout.run_json).write_text(json.dumps(record))
    Path(layout.success).touch()


def _write(layout: Layout, table: str, number: int, rows: pa.Table) -> None:
    name, _, below = table.partition("/")
    path = Path(layout.published(name, f"{below}/part-{number:03}.parquet".lstrip("/")))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, row_group_size=10_000, compression="zstd")


def _answered(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, object]:
    count = len(numbers)
    return {
        "image_id": [f"image-{i}" for i in numbers],
        "image_url": [f"https://images.invalid/2026/11/{i:08}.jpg" for i in numbers],
        "face_count": np.take(FACES_AN_IMAGE, numbers % 4),
        "image_width": np.full(count, 640),
        "image_height": np.full(count, 480),
        "source": ["fake"] * count,
        "face_model_version": ["fake-1"] * count,
    }


def _images(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    count, faces = len(numbers), np.take(FACES_AN_IMAGE, numbers % 4)
    rest = {
        "outcome": np.where(faces > 0, "ok", "no_face"),
        "attempts": np.ones(count),
        "latency_ms": np.ones(count),
        "trace_id": [None] * count,
        "answered_at": [None] * count,
        "from_journal": np.zeros(count, bool),
    }
    return _table(IMAGES, _answered(numbers) | rest)


def _faces(numbers: np.ndarray[tuple[int], np.dtype[np.int64]], chance: np.random.Generator) -> pa.Table:
    faces = np.take(FACES_AN_IMAGE, numbers % 4)
    of_image = np.repeat(numbers, faces)
    index = np.arange(len(of_image)) - np.repeat(np.cumsum(faces) - faces, faces)
    numeric = {name: chance.random(len(of_image)) * 480 for name in COORDINATE_COLUMNS}
    boxes = {
        name: chance.random(len(of_image)) * 300 for name in ("box_x", "box_y", "box_width", "box_height")
    }
    table = _table(FACES, _answered(of_image) | {"face_index": index} | boxes | numeric)
    return table.append_column("score", pa.array(chance.random(len(of_image)), pa.float32()))


def _dead_letters() -> pa.Table:
    texts = ("image_id", "image_url", "raw_code", "message")
    values: dict[str, object] = {name: [None] * DEAD for name in DEAD_LETTERS.names}
    values |= {name: [f"{name} {i}" for i in range(DEAD)] for name in texts}
    values |= {name: np.ones(DEAD, bool) for name in ("maybe_billed", "retryable")}
    return _table(DEAD_LETTERS, values | {"stage": ["fetch"] * DEAD, "attempts": np.ones(DEAD)})


def _table(schema: pa.Schema, values: dict[str, object]) -> pa.Table:
    columns = [pa.array(values[field.name]).cast(field.type, safe=False) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
