"""From Flink's stack traces to what a user can do something about."""

import re
from typing import Final

_CAUSE: Final = re.compile(r"^Caused by: (.+)$", re.MULTILINE)
_CLASSES: Final = re.compile(r"^(?:(?:[a-z_]\w*\.)+([A-Z][\w$]*): )+")
_STARTS_WORKERS: Final = "ExternalEnvironmentFactory"
"""The class of Beam's that asks a worker pool for a worker."""


def innermost_cause(trace: str) -> str:
    r"""Give the last cause of a Java stack trace with its class; a text without causes as it is.

    Flink tells classes twice where it sends a failure on, and escapes lines where it answers by REST.

    >>> innermost_cause("a.AException: x\n  at B\nCaused by: c.CException: c.CException: no room")
    'CException: no room'
    """
    plain = trace.replace(r"\n", "\n").replace(r"\t", "\t").strip()
    causes: list[str] = _CAUSE.findall(plain)
    return _CLASSES.sub(r"\1: ", causes[-1] if causes else plain)


def explain_failure(trace: str, worker_pool: str) -> str:
    """Give a job's failure: a worker's traceback as it is, of Flink's own the innermost cause."""
    if "Traceback (most recent call last)" in trace:
        return trace
    cause = innermost_cause(trace)
    if _STARTS_WORKERS in trace:
        return (
            f"RunError: Flink's TaskManagers get no worker from --worker-pool {worker_pool} ({cause}): "
            "start Beam's worker pool there, or correct the flag"
        )
    return cause
