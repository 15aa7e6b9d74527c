"""Workers have facebeam already, from their image: nothing of this machine is sent along."""

from typing import Final

NOTHING_STAGED: Final = "--experiments=disable_logging_submission_environment"
"""Else Beam stages this machine's `pip freeze`, in which an install from a URL shows its credentials."""


def worker_pool_flags(worker_pool: str) -> list[str]:
    """Give Beam's flags for workers that a pool starts, one process each."""
    return ["--environment_type=EXTERNAL", f"--environment_config={worker_pool}", NOTHING_STAGED]
