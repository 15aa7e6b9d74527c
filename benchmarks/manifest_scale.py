"""Measure how time and memory grow with the manifest: `python -m benchmarks.manifest_scale`.

It runs 100,000, 1,000,000 and 10,000,000 rows with the fake source, which takes almost no time, so the
figures are those of the pipeline. Then it runs a million rows with other results: all invalid, all failed in
the source, and a third of each. Ten million rows take about ten minutes and 20 GB of disk.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from itertools import pairwise
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


ROWS = (100_000, 1_000_000, 10_000_000)


def main() -> None:
    """Measure all sizes, print the ratios, and measure the other results."""
    print(machine())
    costs = [_run(rows, "all good") for rows in ROWS]
    for fewer, more in pairwise(costs):
        print(f"ten times the rows: {more.wall_s / fewer.wall_s:.1f} times the time")
    for ends in [*URLS][1:]:
        _run(1_000_000, ends)


def _run(rows: int, ends: str) -> Cost:
    url = URLS[ends]
    with TemporaryDirectory() as scratch:
        manifest = Path(scratch, "manifest.csv")
        with manifest.open("w") as file:
            file.write("image_url,label\n")
            file.writelines(f"{url(i)},label-{i % 7}\n" for i in range(rows))
        flags = ["--source", "fake", "--quiet", "--output", f"{scratch}/out", "--max-failure-share", "1"]
        cost = cost_of([FACEBEAM, "annotate", "--manifest", str(manifest), *flags])
    each_us, peak = 1e6 * cost.cpu_s / rows, f"peak {cost.peak_mb:.0f} MB"
    print(f"{rows:,} rows, {ends}: {cost.wall_s:.1f} s, CPU {each_us:.0f} us per row, {peak}", flush=True)
    return cost


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter).parse_args()
    main()
