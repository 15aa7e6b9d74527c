"""Measure what the pipeline costs beside the local model: `python -m benchmarks.pipeline_cost`.

It compares whole processes, start included, over the same photographs. The CPU time of the pipeline with one
worker is compared with that of a bare loop of decoding and networks. The time of the pipeline with two
workers is compared with that of two bare loops in two processes.
"""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import FACEBEAM, cost_of, costs_of, machine

COPIES = 200
"""Number of rows in the manifest for each of the example's eleven photographs, with different names."""


def main(photos: Path = Path(".photos")) -> None:
    """Measure, and print the figures."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images = _many(photos, folder / "images")
        halves = [_manifest(images[i::2], folder / f"half{i}.txt") for i in range(2)]
        whole = _manifest(images, folder / "all.txt")
        print(f"{len(images)} images; {machine()}")
        _compare(whole, halves, folder, len(images))


def bare_loop(manifest: Path) -> None:
    """Decode every image and find its faces, and do nothing else."""
    from facebeam.transforms.local_model.decode_image import decode_image  # noqa: PLC0415 - its own process
    from facebeam.transforms.local_model.face_model import FaceModel  # noqa: PLC0415 - its own process

    model = FaceModel()
    for path in manifest.read_text().splitlines():
        model.find_faces(decode_image(Path(path).read_bytes()))


def _compare(whole: Path, halves: list[Path], output: Path, images: int) -> None:
    bare = cost_of(_bare(whole))
    one = cost_of(_pipeline(whole, output / "one", workers=1))
    two_bare_s = max(cost.wall_s for cost in costs_of([_bare(half) for half in halves]))
    two = cost_of(_pipeline(whole, output / "two", workers=2))
    print(
        f"CPU per image: bare loop {1000 * bare.cpu_s / images:.1f} ms, pipeline with 1 worker "
        f"{1000 * one.cpu_s / images:.1f} ms: {one.cpu_s / bare.cpu_s:.3f} times"
    )
    print(
        f"images per second: two bare loops {images / two_bare_s:.1f}, pipeline with 2 workers "
        f"{images / two.wall_s:.1f}: {two_bare_s / two.wall_s:.3f} times; peak {two.peak_mb:.0f} MB"
    )


def _bare(manifest: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.pipeline_cost", "--bare", str(manifest)]


def _pipeline(manifest: Path, output: Path, workers: int) -> list[str]:
    flags = f"--allow-local-files --quiet --workers {workers} --output {output}".split()
    return [FACEBEAM, "annotate", "--manifest", str(manifest), *flags]


def _many(photos: Path, folder: Path) -> list[Path]:
    folder.mkdir()
    found = sorted(path for path in photos.iterdir() if path.suffix in {".jpg", ".png"})
    images = [folder / f"{copy:03d}-{photo.name}" for copy in range(COPIES) for photo in found]
    for image in images:
        os.link(photos / image.name[4:], image)
    return images


def _manifest(images: list[Path], path: Path) -> Path:
    path.write_text("".join(f"{image}\n" for image in images))
    return path


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--bare", type=Path, help=SUPPRESS)
    manifest = parser.parse_args().bare
    bare_loop(manifest) if manifest else main()
