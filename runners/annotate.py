"""`facebeam annotate`: annotate the images of a manifest into Parquet tables, on the engine of `--runner`.

Flags and paths are checked before Beam is imported, so a mistyped path is reported in a fraction of a second.
"""

import ctypes
import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import pyarrow as pa

from facebeam.runners.cli import main
from facebeam.runners.clusters.reach import as_workers_see_it
from facebeam.runners.earlier_runs import check_same_run
from facebeam.runners.flags.option_types import new_run_id
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.logs import LOGGER
from facebeam.runners.made_manifests import made_manifests
from facebeam.runners.notify import told_at_the_end
from facebeam.runners.output_folder import check_output, run_lock, without_rights
from facebeam.runners.prepare_run import check_source, find_manifest, use_remote_files
from facebeam.runners.summary import show_summary
from facebeam.schemas.layout import Layout
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.steps.publish import is_committed, read_record

ONE_MACHINE: Final = ("local", "prism")
_M_ARENA_MAX: Final = -8
"""The number of `mallopt`'s parameter for how many heaps there may be, from glibc's malloc.h."""


def annotate(options: RunOptions) -> int:
    """Execute the run that the options describe; give the exit code that `--help` lists.

    Raises:
        RunError: a check before the run has failed; nothing was started.
    """
    paths = (*options.manifest, options.output, options.journal)
    use_remote_files(paths, options.beam_flags, options.cluster.runner)
    with without_rights(options.umask), made_manifests(options) as made:
        if options.cluster.runner not in ONE_MACHINE:
            made = as_workers_see_it(made)  # noqa: PLW2901 - the same options, with absolute paths
        layout = Layout(made.output, options.run_id or new_run_id(options.manifest))
        if is_committed(layout):
            return _tell_again(made, layout)
        return told_at_the_end(made.notify_url, layout, partial(_run, made, layout))


def _tell_again(options: RunOptions, layout: Layout) -> int:
    """Print the summary of a committed run again, and give the same exit code as then.

    Raises:
        RunError: the options describe another run under the same id.
    """
    record = read_record(layout)
    check_same_run(options, layout, record)
    LOGGER.info("run %s is committed already: nothing to do", layout.run_id)
    return show_summary(layout, record, options)


def _run(options: RunOptions, layout: Layout) -> int:
    manifest = find_manifest(options)
    check_output(options.output)
    if options.cluster.runner in ONE_MACHINE:
        check_source(options)
    with run_lock(layout):
        _collect_garbage_seldom()
        _use_one_heap()
        carry_out = _engine(options.cluster.runner)
        return carry_out(options, layout, manifest)


def _collect_garbage_seldom() -> None:
    """Make Python look for reference cycles rarely: a run makes millions of values and no cycles."""
    gc.set_threshold(50_000, 20, 50)


def _use_one_heap() -> None:
    """Make all threads and Arrow share one heap, so that each reuses the memory that another one has freed.

    Otherwise glibc gives each thread a heap, Arrow has a heap too, and each grows to the largest size that it
    ever needed. The image has the same settings as environment variables.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError):  # a C library other than glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _engine(runner: str) -> Callable[[RunOptions, Layout, Manifest], int]:
    """Give the function that executes a run. This imports Beam, so it comes after all checks."""
    if runner in ONE_MACHINE:
        from facebeam.runners.in_process import carry_out  # noqa: PLC0415 - as above

        return carry_out
    from facebeam.runners.clusters.submit import submit_run  # noqa: PLC0415 - as above, and the engine's libraries

    return submit_run


if __name__ == "__main__":
    sys.exit(main(["annotate", *sys.argv[1:]]))
