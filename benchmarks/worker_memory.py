"""Measure the memory of a process with two local models: `python -m benchmarks.worker_memory`.

That is a worker on Dataflow, for which `runners/clusters/dataflow_flags.py` asks for memory. It reads the
demo's photographs, and then also the same photographs enlarged to 49 megapixels, which is about the most.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks.processes import FACEBEAM, Cost, cost_of, machine

PHOTOS = Path(".photos")
COPIES = 12
LARGE = (8160, 6000)


def main() -> None:
    """Measure both sets of photographs."""
    print(machine())
    with TemporaryDirectory() as scratch:
        small, large = Path(scratch, "small"), Path(scratch, "large")
        small.mkdir()
        large.mkdir()
        for path in sorted(PHOTOS.glob("*.*g")):
            photo = Image.open(path).convert("RGB")
            for copy in range(COPIES):
                photo.save(small / f"{path.stem}-{copy}.jpg")
            photo.resize(LARGE).save(large / f"{path.stem}.jpg")
            photo.resize(LARGE).save(large / f"{path.stem}.png", compress_level=1)
        for name, folders in (("photographs", [small]), ("with 49 megapixels", [small, large])):
            print(f"{name}: peak {_annotate(folders, Path(scratch, name)).peak_mb:.0f} MB", flush=True)


def _annotate(folders: Sequence[Path], output: Path) -> Cost:
    flags = ["--source", "local", "--workers", "2", "--allow-local-files", "--max-failure-share", "1"]
    manifest = ["--manifest", *map(str, folders), "--output", str(output), "--quiet"]
    return cost_of([FACEBEAM, "annotate", *flags, *manifest])


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
