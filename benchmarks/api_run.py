"""Measure the API source with a simulated service on this machine: `python -m benchmarks.api_run [NAME ...]`.

Each measurement prints its figure and the figure to compare it with. The service runs in its own process.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.processes import FACEBEAM, cost_of, machine
from tests.helpers.paid_service import faulty_process


def rate_kept(folder: Path) -> None:
    """--rate 50, a latency of 200 ms +- 50 ms, and a service that refuses more than 50 calls per second."""
    with faulty_process("--latency-ms", "200", "--jitter-ms", "50", "--rate", "50") as url:
        _run(url, _urls(folder, 100), folder, "--rate", "50")  # the process's first calls are not measured
        before, began = _counts(url), time.monotonic()
        sent = _window(url, folder, calls=3000, flags=("--rate", "50"))
        share = sent / 50
        refused = _counts(url)["refused"] - before["refused"]
        print(f"rate_kept: {100 * share:.1f} % of 50/s, {refused} refused, {time.monotonic() - began:.0f} s")


def rate_found(folder: Path) -> None:
    """--rate 50, and a service that refuses more than 30 calls per second."""
    with faulty_process("--latency-ms", "200", "--jitter-ms", "50", "--rate", "30") as url:
        process = _start(url, _urls(folder, 5000), folder, "--rate", "50")
        time.sleep(65)
        first = _counts(url)
        time.sleep(60)
        last = _counts(url)
        process.send_signal(signal.SIGKILL)
        process.wait()
    calls, refused = (last[name] - first[name] for name in ("calls", "refused"))
    print(f"rate_found: {(calls - refused) / 60:.1f}/s of 30, {100 * refused / calls:.2f} % refused")


def unpaced(folder: Path) -> None:
    """No limit on the rate, and a service that answers at once; compared with a bare loop of requests."""
    rows = 20_000
    with faulty_process() as url:
        bare = cost_of([sys.executable, "-m", "benchmarks.api_run", "--bare", url, str(rows), "64"])
        cost = cost_of(_command(url, _urls(folder, rows), folder, "--rate", "unlimited", "--window", "64"))
    print(
        f"unpaced: {rows / cost.wall_s:.0f} images/s, CPU {1000 * cost.cpu_s / rows:.2f} ms per image, start "
        f"included, peak {cost.peak_mb:.0f} MB; "
        f"bare loop {rows / bare.wall_s:.0f}/s, {1000 * bare.cpu_s / rows:.2f} ms"
    )


def latency_hidden(folder: Path) -> None:
    """A latency of 100 ms and a window of 64: at most 640 images per second; compared with the bare loop."""
    calls = 12_000
    with faulty_process("--latency-ms", "100") as url:
        bare = cost_of([sys.executable, "-m", "benchmarks.api_run", "--bare", url, str(calls), "64"])
        sent = _window(url, folder, calls, flags=("--rate", "unlimited", "--window", "64"))
    print(f"latency_hidden: {sent:.0f} images/s of 640; bare loop {calls / bare.wall_s:.0f}/s")


def duplicates(folder: Path) -> None:
    """10,000 rows with 1,000 different URLs."""
    manifest = folder / "duplicates.txt"
    manifest.write_text("".join(f"https://images.example.com/{i % 1000}.jpg\n" for i in range(10_000)))
    with faulty_process() as url:
        _run(url, manifest, folder, "--rate", "unlimited")
        print(f"duplicates: {_counts(url)['calls']} calls for 10,000 rows of 1,000 URLs")


def answered(folder: Path) -> None:
    """A rerun of 100,000 rows that the journal answers."""
    rows = 100_000
    manifest = _urls(folder, rows)
    with faulty_process() as url:
        _run(url, manifest, folder, "--rate", "unlimited", "--window", "64")
        before = _counts(url)["calls"]
        cost = cost_of(_command(url, manifest, folder, "--rate", "unlimited"))
        calls = _counts(url)["calls"] - before
    print(f"answered: {calls} calls, {rows / cost.wall_s:.0f} rows/s, peak {cost.peak_mb:.0f} MB")


def killed(folder: Path) -> None:
    """SIGKILL after about 60 % of 3,000 calls, then two reruns."""
    manifest = _urls(folder, 3000)
    with faulty_process("--latency-ms", "100") as url:
        process = _start(url, manifest, folder, "--rate", "100")
        while _counts(url)["calls"] < 1800:
            time.sleep(0.05)
        process.kill()
        process.wait()
        _run(url, manifest, folder, "--rate", "100")
        second = _counts(url)
        _run(url, manifest, folder, "--rate", "100")
        third = _counts(url)["calls"] - second["calls"]
    print(f"killed: {second['repeated']} calls repeated at 100/s and 100 ms; third run {third} calls")


def bare(url: str, rows: int, window: int) -> None:
    """Send the calls with `requests` alone, from a thread pool, and store nothing."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=window))

    def post(i: int) -> None:
        body = {"image_url": f"https://images.example.com/{i:06d}.jpg"}
        session.post(f"{url}/face/analyze", json=body, headers={"authorization": "Bearer x"}).json()

    with ThreadPoolExecutor(window) as pool:
        for _ in pool.map(post, range(rows)):
            pass


MEASUREMENTS: dict[str, Callable[[Path], None]] = {
    "rate_kept": rate_kept,
    "rate_found": rate_found,
    "unpaced": unpaced,
    "latency_hidden": latency_hidden,
    "duplicates": duplicates,
    "answered": answered,
    "killed": killed,
}


def main(names: list[str]) -> None:
    """Run the named measurements, or all of them."""
    os.environ["ACEDATACLOUD_API_TOKEN"] = "stand-in"  # noqa: S105 - it accepts any token
    print(machine())
    for name in names or MEASUREMENTS:
        with TemporaryDirectory() as scratch:
            MEASUREMENTS[name](Path(scratch))


def _window(url: str, folder: Path, calls: int, flags: tuple[str, ...]) -> float:
    """Run this many calls; give the calls per second between 10 % and 90 % of them, without the start."""
    base = _counts(url)["calls"]
    manifest = folder / f"window{base}.txt"
    manifest.write_text("".join(f"https://images.example.com/w{base}/{i:06d}.jpg\n" for i in range(calls)))
    process = _start(url, manifest, folder, *flags)
    first, began = _when(url, base + calls // 10)
    last, ended = _when(url, base + calls * 9 // 10)
    process.wait()
    return (last - first) / (ended - began)


def _when(url: str, calls: int) -> tuple[int, float]:
    while (now := _counts(url)["calls"]) < calls:
        time.sleep(0.02)
    return now, time.monotonic()


def _counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/counts") as answer:  # noqa: S310 - the stand-in's own address
        counts: dict[str, int] = json.load(answer)
    return counts


def _urls(folder: Path, rows: int) -> Path:
    manifest = folder / f"{rows}.txt"
    manifest.write_text("".join(f"https://images.example.com/{i:06d}.jpg\n" for i in range(rows)))
    return manifest


def _command(url: str, manifest: Path, folder: Path, *flags: str) -> list[str]:
    where = ["--manifest", str(manifest), "--output", str(folder / "out"), "--base-url", url]
    return [FACEBEAM, "annotate", "--source", "api", "--quiet", *where, *flags]


def _run(url: str, manifest: Path, folder: Path, *flags: str) -> None:
    subprocess.run(_command(url, manifest, folder, *flags), check=True)


def _start(url: str, manifest: Path, folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(url, manifest, folder, *flags))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"some of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--bare", nargs=3, help=SUPPRESS)
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(MEASUREMENTS):
        parser.error(f"{', '.join(unknown)} is not a measurement: name some of {', '.join(MEASUREMENTS)}")
    if chosen.bare:
        bare(chosen.bare[0], *map(int, chosen.bare[1:]))
    else:
        main(chosen.names)
