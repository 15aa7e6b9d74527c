"""Propose shards and workers for a run on Dataflow, and predict its time; pure functions."""

import math
from typing import Final, NamedTuple

from facebeam.runners.clusters.dataflow_flags import THREADS
from facebeam.schemas.request_key import BUCKETS

LOCAL_CPU_S: Final = 0.045
"""CPU time of the local model per image, measured by benchmarks.pipeline_cost on 2 cores, x86_64."""
LONGEST_JOB_S: Final = 10 * 86_400.0
"""Dataflow ends a batch job after this time."""


class JobSize(NamedTuple):
    """A proposal for a run on Dataflow."""

    shards: int
    workers: int
    seconds: float
    """Time that all images take, if no run had an end."""
    runs: int
    """Number of runs, each as long as allowed, that all images take."""

    @property
    def machine_hours(self) -> float:
        """Hours of all workers together, in all runs."""
        return self.workers * self.seconds / 3600

    def flags(self) -> str:
        """Give the flags to type for this size."""
        return f"--shards {self.shards} --max-num-workers {self.workers}"


def size_for_model(images: int, shards: int, limit_s: float, workers: int | None = None) -> JobSize:
    """Choose as few workers as process all images in time; a worker processes two shards at a time.

    Args:
        images: number of images to process.
        shards: number of shards. More are chosen if one of them would take too long.
        limit_s: longest time of one run, in seconds.
        workers: number of workers. None: choose it.

    >>> size_for_model(1_000_000, 188, 8 * 3600.0)
    JobSize(shards=188, workers=1, seconds=22500.0, runs=1)
    >>> size_for_model(10_000_000, 256, 8 * 3600.0)
    JobSize(shards=256, workers=8, seconds=28125.0, runs=1)
    """
    if images * LOCAL_CPU_S / shards > limit_s:
        shards = BUCKETS
    shard_s = images * LOCAL_CPU_S / shards
    in_turn = max(1, math.floor(limit_s / shard_s)) if shard_s else shards
    workers = workers or math.ceil(shards / in_turn / THREADS)
    seconds = math.ceil(shards / workers / THREADS) * shard_s
    return JobSize(shards, workers, seconds, _runs(seconds, limit_s))


def size_for_service(calls: int, rate_per_s: float, shards: int, limit_s: float) -> JobSize:
    """Give one worker per shard: only the rate limits the calls."""
    seconds = calls / rate_per_s
    return JobSize(shards, shards, seconds, _runs(seconds, limit_s))


def too_long(limit_s: float) -> str | None:
    """Give a warning if a run may last so long that Dataflow ends its job before the commit."""
    if limit_s < LONGEST_JOB_S:
        return None
    return (
        f"Dataflow ends a batch job after {LONGEST_JOB_S / 86_400:.0f} days, and then nothing is committed: "
        "give --max-duration 9d"
    )


def _runs(seconds: float, limit_s: float) -> int:
    return max(1, math.ceil(seconds / limit_s))
