"""Measure how time and memory grow with the manifest: `python -m benchmarks.manifest_scale`.

It runs 100,000 and 1,000,000 rows with the fake source, which takes almost no time, so the figures are those
of the pipeline. Then it runs a million rows with other results: all invalid, all failed in the source, and a
third of each.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import FACEBEAM, Cost, cost_of, machine

GOOD = "https://images.example.com/2026/11/{:08d}.jpg"
INVALID = "https:///2026/11/{:08d}.jpg"
DEAD = "https://images.example.com/fail-not_found/{:08d}.jpg"
URLS: dict[str, Callable[[int], str]] = {
    "all good": GOOD.format,
    "all invalid": INVALID.format,
    "all dead in the source": DEAD.format,
    "a third of each": lambda i: (GOOD, INVALID, DEAD)[i % 3].format(i),
}


def main() -> None:
    """Measure both sizes, print the ratio, and measure the other results."""
    print(machine())
    with TemporaryDirectory() as scratch:
        small, large = (_run(Path(scratch), rows, "all good") for rows in (100_000, 1_000_000))
        print(f"time of 1M rows / time of 100k rows: {large.wall_s / small.wall_s:.1f}")
        for ends in [*URLS][1:]:
            _run(Path(scratch), 1_000_000, ends)


def _run(folder: Path, rows: int, ends: str) -> Cost:
    manifest = folder / f"{rows}.csv"
    url = URLS[ends]
    with manifest.open("w") as file:
        file.write("image_url,label\n")
        file.writelines(f"{url(i)},label-{i % 7}\n" for i in range(rows))
    flags = ["--source", "fake", "--quiet", "--output", str(folder / "out"), "--max-failure-share", "1"]
    cost = cost_of([FACEBEAM, "annotate", "--manifest", str(manifest), *flags])
    each_us, peak = 1e6 * cost.cpu_s / rows, f"peak {cost.peak_mb:.0f} MB"
    print(f"{rows:,} rows, {ends}: {cost.wall_s:.1f} s, CPU {each_us:.0f} us per row, {peak}", flush=True)
    return cost


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
