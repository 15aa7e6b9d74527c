"""Measure cost and gain of Flink: `python -m benchmarks.flink [graph | model]`, after `make .flink/ready`.

graph  the fake source over 10,000, 100,000 and 1,000,000 rows, on one machine and on a Flink session cluster
       of two slots on the same machine: this measures the pipeline alone
model  the local model over the example's photographs, with one slot and with two
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import FACEBEAM, cost_of, machine
from tests.engines.flink.session_cluster import JOB_SERVER_JAR, SessionCluster, session_cluster
from tests.helpers.worker_pool import worker_pool

ROWS = (10_000, 100_000, 1_000_000)
COPIES = 800
"""Number of rows in the manifest for each of the example's photographs."""


def graph(folder: Path) -> None:
    """Measure the time of the pipeline on one machine and on Flink."""
    with _flink(folder) as on_flink:
        for name, where in (("one machine", []), ("Flink", on_flink)):
            before_s = None
            for rows in ROWS:
                wall_s = _annotate(_urls(folder, rows), folder / f"{name} {rows}", "--source", "fake", *where)
                step = f", {wall_s / before_s:.1f} times the last" if before_s else ""
                print(f"graph, {name}: {rows:,} rows in {wall_s:.1f} s{step}", flush=True)
                before_s = wall_s


def model(folder: Path) -> None:
    """Measure how much faster two slots are than one slot, start included."""
    manifest = _photos(folder)
    with _flink(folder) as on_flink:
        walls_s = [
            _annotate(
                manifest,
                folder / f"slots {slots}",
                *on_flink,
                "--allow-local-files",
                "--parallelism",
                str(slots),
            )
            for slots in (1, 2)
        ]
    images = len(manifest.read_text().splitlines())
    print(f"model: {images} images, one slot {walls_s[0]:.1f} s, two slots {walls_s[1]:.1f} s: ", end="")
    print(f"{walls_s[0] / walls_s[1]:.2f} times")


@contextmanager
def _flink(folder: Path) -> Iterator[list[str]]:
    """Start a cluster and a pool; give the flags that choose them."""
    (folder / "flink").mkdir()
    with session_cluster(folder / "flink/cluster") as cluster, worker_pool(folder / "flink/pool.log") as pool:
        yield _flags(cluster, pool)


def _flags(cluster: SessionCluster, pool: str) -> list[str]:
    where = ["--runner", "flink", "--flink-master", cluster.address, "--worker-pool", pool]
    return [*where, "--flink-job-server-jar", str(JOB_SERVER_JAR)]


def _annotate(manifest: Path, output: Path, *flags: str) -> float:
    command = [FACEBEAM, "annotate", "--quiet", "--manifest", str(manifest), "--output", str(output), *flags]
    return cost_of(command).wall_s


def _urls(folder: Path, rows: int) -> Path:
    manifest = folder / f"{rows}.txt"
    if not manifest.exists():
        with manifest.open("w") as file:
            file.writelines(f"https://images.example.com/2026/11/{i:08d}.jpg\n" for i in range(rows))
    return manifest


def _photos(folder: Path, photos: Path = Path(".photos")) -> Path:
    """List links to the photographs, each under several names."""
    (folder / "images").mkdir()
    found = [path.absolute() for path in photos.iterdir() if path.suffix in {".jpg", ".png"}]
    links = [folder / f"images/{copy:03d}-{path.name}" for copy in range(COPIES) for path in found]
    for link in links:
        link.symlink_to(photos.absolute() / link.name[4:])
    manifest = folder / "photos.txt"
    manifest.write_text("".join(f"{link}\n" for link in links))
    return manifest


MEASUREMENTS = {"graph": graph, "model": model}

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=MEASUREMENTS, help="default: both")
    name = parser.parse_args().name
    print(machine())
    for chosen in [name] if name else MEASUREMENTS:
        with TemporaryDirectory() as scratch:
            MEASUREMENTS[chosen](Path(scratch))
