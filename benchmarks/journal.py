"""Measure time, memory and disk of the journal: `python -m benchmarks.journal`.

The benchmark records 100,000 answers with one face each, in the order of their keys, as a run does. Then new
processes read the answers: all of them, every hundredth one, and, for comparison, the same files with pyarrow
alone. The three kinds alternate. The bytes read are those that the kernel counts. Then the benchmark reads
one bucket of 3,000 segments three times. A run of a hundred million images would leave such a bucket if
nothing merged segments. Finally, it writes and reads one bucket, of 256, of a run of a hundred million images
with the local model on 64 workers.
"""

import resource
import sys
import time
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq

from benchmarks.processes import cost_of, machine
from facebeam.schemas.request_key import request_key
from facebeam.schemas.values import Answer, Face, ImageRequest
from facebeam.transforms.journal.entries import Entry, encode_entries
from facebeam.transforms.journal.journal import Journal, JournalWriter
from facebeam.transforms.journal.segments import bucket_folder, write_segment

ANSWERS = 100_000
FACES = 500
"""Number of different faces among the answers.

Coordinates are whole numbers, as in the service's answers. Neighbouring landmarks are about 20 pixels
apart."""
SEGMENTS, ANSWERS_A_SEGMENT = 3_000, 40
LARGE_BUCKET, ANSWERS_A_FLUSH = 390_625, 70
"""100,000,000 images in 256 buckets; a worker writes every 4 s, and takes about 57 ms for an image."""


def main() -> None:
    """Record the answers, measure three new processes of each kind, then read a bucket of many segments."""
    print(machine())
    with TemporaryDirectory() as folder:
        _record(folder)
        for kind in ("bare", "all", "some") * 3:
            cost = cost_of([sys.executable, "-m", "benchmarks.journal", "--read", kind, folder])
            print(f"{kind}: {Path(folder, kind).read_text()}; whole process: peak {cost.peak_mb:.0f} MB")
    for measure in (_many_segments, _large_bucket):
        with TemporaryDirectory() as folder:
            measure(folder)


def _many_segments(folder: str) -> None:
    keys = _keys_of_a_bucket(SEGMENTS * ANSWERS_A_SEGMENT)
    answers = _with_answers(keys)
    while part := list(islice(answers, ANSWERS_A_SEGMENT)):
        now = datetime.now(UTC)
        entries = [Entry(key, "https://images.example.com/a.jpg", answer, now) for key, answer in part]
        write_segment(bucket_folder(folder, 7), encode_entries(entries))
    _look_up(f"{SEGMENTS} segments", folder, keys)


def _large_bucket(folder: str) -> None:
    keys = sorted(_keys_of_a_bucket(LARGE_BUCKET))  # the order in which a shard asks for them
    answers = _with_answers(keys)
    request = ImageRequest("https://images.example.com/a.jpg")
    began = time.perf_counter()
    with JournalWriter(folder, flush_every_s=0.02) as writer:  # its thread also merges segments
        while part := list(islice(answers, ANSWERS_A_FLUSH)):
            for key, answer in part:
                writer.record(key, request, answer)
            writer.flush()
        written_s = time.perf_counter() - began
    ended_s = time.perf_counter() - began - written_s
    files = [path.stat().st_size for path in Path(folder).glob("bucket=*/*.parquet")]
    name = f"bucket of {LARGE_BUCKET:,} answers"
    print(
        f"{name}: {LARGE_BUCKET // ANSWERS_A_FLUSH:,} writes in {written_s:.0f} s, {ended_s:.1f} s until "
        f"the writer ends; {sum(files) / 1e6:.0f} MB in {len(files)} segments"
    )
    _look_up(name, folder, keys)


def _keys_of_a_bucket(number: int) -> list[bytes]:
    rng = np.random.default_rng(1)
    return [bytes([7]) + rng.bytes(31) for _ in range(number)]


def _with_answers(keys: Iterable[bytes]) -> Iterator[tuple[bytes, Answer]]:
    """Give each key an answer whose coordinates are fractions, as those of the local model."""
    rng = np.random.default_rng(2)
    for number, key in enumerate(keys):
        steps = rng.normal(0, 20, (90, 2)).cumsum(axis=0)
        yield key, _answer(Face((500 + steps).astype(np.float32)), number)


def _look_up(bucket: str, folder: str, keys: Sequence[bytes]) -> None:
    for name, wanted in (("5 keys", keys[:5]), ("5 keys again", keys[:5]), ("1 % of the keys", keys[::100])):
        read_before, began = _bytes_read(), time.perf_counter()
        rows = sum(1 for _ in Journal(folder).stored(wanted))
        wall_s, read = time.perf_counter() - began, _bytes_read() - read_before
        left = [path.stat().st_size for path in Path(folder).glob("bucket=*/*.parquet")]
        share = f"{read / sum(left):.1%} of the bytes"
        print(f"{bucket}, {name}: {rows} rows in {wall_s:.2f} s, {share}; {len(left)} segments left")


def read(kind: str, folder: str) -> None:
    """Read the journal in one of three ways, and write the figures into the file `kind` of the folder."""
    keys = [key for key, _ in _questions()]
    files = [path.stat().st_size for path in Path(folder).glob("bucket=*/*.parquet")]
    read_before = _bytes_read()
    began = time.perf_counter(), time.process_time()
    match kind:
        case "bare":
            rows = sum(len(pq.read_table(path)) for path in Path(folder).glob("bucket=*/*.parquet"))
        case "all":
            rows = sum(1 for _ in Journal(folder).stored(keys))
        case _:
            rows = sum(1 for _ in Journal(folder).stored(keys[::100]))
    wall_s, cpu_s = time.perf_counter() - began[0], time.process_time() - began[1]
    share = (_bytes_read() - read_before) / sum(files)
    speed = f"CPU {cpu_s:.2f} s: {rows / wall_s:,.0f}/s"
    Path(folder, kind).write_text(f"{rows:,} rows in {wall_s:.2f} s, {speed}, {share:.1%} of the bytes")


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def _record(folder: str) -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 20, (FACES, 90, 2)).cumsum(axis=1)
    faces = [Face(points) for points in (500 + steps).round().astype(np.float32)]
    questions = [*_questions()]
    longest_s = 0.0
    began = time.perf_counter()
    with Journal(folder).open() as writer:
        for i, (key, request) in enumerate(questions):
            answer = _answer(faces[i % FACES], i)
            called = time.perf_counter()
            writer.record(key, request, answer)
            longest_s = max(longest_s, time.perf_counter() - called)
        recorded_s = time.perf_counter() - began
    files = [path.stat().st_size for path in Path(folder).glob("bucket=*/*.parquet")]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"record(): {1e6 * recorded_s / ANSWERS:.1f} us each, writing in the background included, longest "
        f"{1e3 * longest_s:.0f} ms; closed after {time.perf_counter() - began:.1f} s; "
        f"{len(files)} segments, {sum(files) / ANSWERS:.0f} bytes per answer; peak {peak_mb:.0f} MB"
    )


def _answer(face: Face, number: int) -> Answer:
    return Answer(
        faces=(face,),
        image_width=640,
        image_height=480,
        face_model_version="3.0",
        trace_id=f"{number:032x}",
        source="api",
        answered_at=datetime.now(UTC),
    )


def _questions() -> Iterator[tuple[bytes, ImageRequest]]:
    requests = [ImageRequest(f"https://images.example.com/2026/11/{i:08d}.jpg") for i in range(ANSWERS)]
    return iter(sorted((request_key("api.example.com 3.0", request), request) for request in requests))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--read", nargs=2, help=SUPPRESS)
    reads = parser.parse_args().read
    read(*reads) if reads else main()
