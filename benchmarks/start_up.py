"""Measure how long a user waits for the help and for a small run: `python -m benchmarks.start_up`."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import FACEBEAM, cost_of, machine


def main(photos: Path = Path(".photos")) -> None:
    """Measure the help and a run of ten photographs, five times each; print the medians."""
    print(machine())
    print(f"facebeam --help: {median(cost_of([FACEBEAM, '--help']).cpu_s for _ in range(5)):.2f} s of CPU")
    with TemporaryDirectory() as scratch:
        manifest = Path(scratch, "ten.txt")
        ten = sorted(path for path in photos.iterdir() if path.suffix in {".jpg", ".png"})[:10]
        manifest.write_text("".join(f"{path}\n" for path in ten))
        flags = ["--allow-local-files", "--quiet", "--output", f"{scratch}/out"]
        command = [FACEBEAM, "annotate", "--manifest", str(manifest), *flags]
        print(f"a run of {len(ten)} images: {median(cost_of(command).wall_s for _ in range(5)):.1f} s")


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
