"""Beam's own job service as a separate process: the smallest portable engine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.processes import free_port, serving


@contextmanager
def job_service(log: Path) -> Iterator[str]:
    """Start a job service and give its address."""
    port = free_port()
    main = "apache_beam.runners.portability.local_job_service_main"
    with serving([sys.executable, "-m", main, "-p", str(port)], port, log) as address:
        yield address
