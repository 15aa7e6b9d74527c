"""Measure cost and gain of Flink: `python -m benchmarks.flink [NAME]`, after `make .flink/ready`.

graph      the fake source over 10,000, 100,000 and 1,000,000 rows, on one machine and on a Flink session
           cluster of two slots on the same machine: this measures the pipeline alone
model      the local model over the example's photographs, with one slot and with two
one_shard  the fake source over 100,000, 1,000,000 and 3,000,000 URLs with signatures, all in one shard: time,
           and the peak memory of the worker's process and of the TaskManager, whose managed memory is 128 MB
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from benchmarks.processes import FACEBEAM, cost_of, machine, peak_mb
from tests.engines.flink.large_manifests import write_presigned
from tests.engines.flink.session_cluster import JOB_SERVER_JAR, SessionCluster, session_cluster
from tests.helpers.worker_pool import worker_pids, worker_pool

ROWS = (10_000, 100_000, 1_000_000)
ROWS_IN_ONE_SHARD = (100_000, 1_000_000, 3_000_000)
COPIES = 800
"""Number of rows in the manifest for each of the example's photographs."""


def graph(folder: Path) -> None:
    """Measure the time of the pipeline on one machine and on Flink."""
    with _flink(folder) as (cluster, pool):
        for name, where in (("one machine", []), ("Flink", _flags(cluster, pool))):
            before_s = None
            for rows in ROWS:
                wall_s = _annotate(_urls(folder, rows), folder / f"{name} {rows}", "--source", "fake", *where)
                step = f", {wall_s / before_s:.1f} times the last" if before_s else ""
                print(f"graph, {name}: {rows:,} rows in {wall_s:.1f} s{step}", flush=True)
                before_s = wall_s


def model(folder: Path) -> None:
    """Measure how much faster two slots are than one slot, start included."""
    manifest = _photos(folder)
    with _flink(folder) as (cluster, pool):
        walls_s = [
            _annotate(
                manifest,
                folder / f"slots {slots}",
                *_flags(cluster, pool),
                "--allow-local-files",
                "--parallelism",
                str(slots),
            )
            for slots in (1, 2)
        ]
    images = len(manifest.read_text().splitlines())
    print(f"model: {images} images, one slot {walls_s[0]:.1f} s, two slots {walls_s[1]:.1f} s: ", end="")
    print(f"{walls_s[0] / walls_s[1]:.2f} times")


def one_shard(folder: Path) -> None:
    """Measure time and memory of runs whose rows are all in one shard, each on a new cluster."""
    before_s = None
    for rows in ROWS_IN_ONE_SHARD:
        manifest = write_presigned(folder / f"{rows}.txt", rows)
        with _flink(folder / f"{rows}") as (cluster, pool), _watched(pool) as peaks_mb:
            flags = ("--source", "fake", "--shards", "1", *_flags(cluster, pool))
            wall_s = _annotate(manifest, folder / f"{rows} out", *flags)
            task_manager_mb = peak_mb(cluster.task_manager.pid)
        step = f", {wall_s / before_s:.1f} times the last" if before_s else ""
        memory = f"peak of the worker {max(peaks_mb):.0f} MB, of the TaskManager {task_manager_mb:.0f} MB"
        print(f"one_shard: {rows:,} rows in {wall_s:.1f} s{step}; {memory}", flush=True)
        before_s = wall_s


@contextmanager
def _flink(folder: Path) -> Iterator[tuple[SessionCluster, str]]:
    """Start a cluster and a pool; give the cluster, and the pool's address."""
    (folder / "flink").mkdir(parents=True)
    with session_cluster(folder / "flink/cluster") as cluster, worker_pool(folder / "flink/pool.log") as pool:
        yield cluster, pool


@contextmanager
def _watched(pool: str) -> Iterator[list[float]]:
    """Look at a pool's worker processes once per second; give a list that gets their peaks, in MiB."""
    peaks_mb: list[float] = []
    ended = Event()

    def watch() -> None:
        while not ended.wait(1):
            peaks_mb.extend(map(peak_mb, worker_pids(pool)))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peaks_mb
    finally:
        ended.set()
        watcher.join()


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


MEASUREMENTS = {"graph": graph, "model": model, "one_shard": one_shard}

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=MEASUREMENTS, help="default: all")
    name = parser.parse_args().name
    print(machine())
    for chosen in [name] if name else MEASUREMENTS:
        with TemporaryDirectory() as scratch:
            MEASUREMENTS[chosen](Path(scratch))
