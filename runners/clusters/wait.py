"""Wait for a submitted job: until it is over, the time is up, the engine is gone, or someone asks to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic, sleep
from types import FrameType
from typing import Final, NamedTuple

from runners.clusters.cluster import Cluster, JobState, UnreachableError
from runners.clusters.job_record import JobRecord, forget_job
from runners.exit_codes import NOT_COMMITTED
from runners.logs import LOGGER
from schemas.layout import Layout
from transforms.output_files import exists
from transforms.publish import resume

LOOK_EVERY_S: Final = 2.0
SAY_EVERY_S: Final = 60.0
SILENT_S: Final = 60.0
"""An engine that does not answer for so long is given up on; its job may well go on."""


class Ending(NamedTuple):
    """How the waiting ended."""

    state: JobState
    exit_code: int | None = None
    """Set where the run's own end is not known or does not matter."""


def wait_for_job(cluster: Cluster, job: JobRecord, layout: Layout, max_wait_s: float | None) -> Ending:
    """Look after a job until it is over; SIGINT and SIGTERM cancel it."""
    later = f"'facebeam finalize --run {layout.run_id} --output {layout.output}' goes on from here"
    began = said = answered = monotonic()
    with _stop_signals() as stop:
        while True:
            try:
                state = cluster.state(job.job_id)
                answered = monotonic()
            except UnreachableError as error:
                if monotonic() - answered > SILENT_S:
                    LOGGER.error("%s; the job may go on there; %s", error, later)
                    return Ending(JobState.RUNNING, NOT_COMMITTED)
            else:
                if state.is_over:
                    return Ending(state)
            if stop.number is not None:
                return _cancel(cluster, job, layout, stop.number)
            if max_wait_s is not None and monotonic() - began > max_wait_s:
                LOGGER.error("job %s is not over after --max-wait; %s", job.job_id, later)
                return Ending(JobState.RUNNING, NOT_COMMITTED)
            if monotonic() - said > SAY_EVERY_S:
                said = monotonic()
                LOGGER.info("job %s is at work for %.0f s", job.job_id, said - began)
            stop.event.wait(LOOK_EVERY_S)


def wait_until_over(cluster: Cluster, job_id: str) -> None:
    """Wait until nothing works on a cancelled job any more; raises UnreachableError."""
    while not cluster.state(job_id).is_over:
        sleep(LOOK_EVERY_S)


class _Stop:
    """The first signal that asked this process to stop."""

    def __init__(self) -> None:
        self.event = Event()
        self.number: int | None = None

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self.number = self.number or number
        self.event.set()


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel(cluster: Cluster, job: JobRecord, layout: Layout, number: int) -> Ending:
    try:
        cluster.cancel(job.job_id)
        wait_until_over(cluster, job.job_id)
    except UnreachableError as error:
        LOGGER.error("stopped, but job %s could not be cancelled: %s", job.job_id, error)
    else:
        if exists(layout.success) or resume(layout):
            LOGGER.error("run %s was committed before its job could be cancelled", layout.run_id)
        else:
            LOGGER.error(
                "stopped: job %s is cancelled, nothing of run %s is visible", job.job_id, layout.run_id
            )
        forget_job(layout)
    return Ending(JobState.CANCELLED, 128 + number)
