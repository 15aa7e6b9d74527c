"""Check what an engine and its workers can reach: addresses, paths and the worker pool."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from facebeam.runners.flags.options import RunOptions
from facebeam.schemas.errors import RunError
from facebeam.transforms.files.any_store import is_local

_TIMEOUT_S = 5.0


def check_open_port(flag: str, address: str, cure: str) -> None:
    """Check that a server accepts connections at `host:port`; raises RunError with flag, address and cure."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"{flag} {address} does not answer ({reason}): {cure}, or correct the flag") from error


_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")


def is_this_machine(address: str) -> bool:
    """Tell whether `host:port` is on this machine."""
    return address.rpartition(":")[0] in _THIS_MACHINE


def as_workers_see_it(options: RunOptions) -> RunOptions:
    """Make local paths absolute, since workers start in another folder; refuse paths they cannot read."""
    _check_paths(options)
    return replace(
        options,
        manifest=tuple(map(_absolute, options.manifest)),
        output=_absolute(options.output),
    )


def _check_paths(options: RunOptions) -> None:
    """Check that workers can read the manifest, the output and the journal.

    Raises:
        RunError: a path is on this machine, the engine is not, and `--shared-filesystem` was not given.
    """
    cluster = options.cluster
    engine = cluster.flink_master or cluster.job_endpoint
    if cluster.shared_filesystem or (engine and is_this_machine(engine)):
        return
    for flag, path in _paths(options):
        if is_local(path) or path.startswith("file://"):
            cure = "give a path such as s3://bucket/... or gs://bucket/..."
            if cluster.runner != "dataflow":
                cure += ", or give --shared-filesystem if every worker can read it under the same path"
            raise RunError(f"{flag} {path} is on this machine, where workers cannot read it; {cure}")


def _paths(options: RunOptions) -> Iterator[tuple[str, str]]:
    yield from (("--manifest", path) for path in options.manifest)
    yield "--output", options.output
    if options.journal:
        yield "--journal", options.journal


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if is_local(path) else path


NOTHING_STAGED: Final = "--experiments=disable_logging_submission_environment"
"""Without it, Beam stages this machine's `pip freeze`, which shows the credentials of installs from URLs."""


def worker_pool_flags(worker_pool: str) -> list[str]:
    """Give Beam's flags for workers that a pool starts, each in its own process."""
    return ["--environment_type=EXTERNAL", f"--environment_config={worker_pool}", NOTHING_STAGED]
