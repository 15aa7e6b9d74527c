"""How time and memory grow with the manifest: `python -m benchmarks.manifest_scale`.

100,000 and 1,000,000 rows with the fake source, which costs next to nothing: what is left is the pipeline.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import FACEBEAM, Cost, cost_of, machine


def main() -> None:
    """Measure both sizes and print the ratio."""
    print(machine())
    with TemporaryDirectory() as scratch:
        small, large = (_run(Path(scratch), rows) for rows in (100_000, 1_000_000))
    print(f"time of 1M rows / time of 100k rows: {large.wall_s / small.wall_s:.1f}")


def _run(folder: Path, rows: int) -> Cost:
    manifest = folder / f"{rows}.csv"
    with manifest.open("w") as file:
        file.write("image_url,label\n")
        file.writelines(
            f"https://images.example.com/2026/11/{i:08d}.jpg,label-{i % 7}\n" for i in range(rows)
        )
    flags = ["--source", "fake", "--quiet", "--output", str(folder / "out")]
    cost = cost_of([FACEBEAM, "annotate", "--manifest", str(manifest), *flags])
    each_us = 1e6 * cost.cpu_s / rows
    print(f"{rows:,} rows: {cost.wall_s:.1f} s, CPU {each_us:.0f} us a row, peak {cost.peak_mb:.0f} MB")
    return cost


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
