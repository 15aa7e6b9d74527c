"""Settings and fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("facebeam", deadline=None)  # a slow example on a busy machine is not a failure
settings.load_profile("facebeam")

_SHARED = Path(os.environ.get("FACEBEAM_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of facts and photographs that only developers and CI have, beside the checkout."""
    if not _SHARED.is_dir():
        pytest.skip(f"{_SHARED} is not here: it is for the project's developers, not for its users")
    return _SHARED


@pytest.fixture(scope="session")
def photos() -> Path:
    """Give the folder of the demo's photographs, which `make test` fetches."""
    folder = Path(__file__).parents[1] / ".photos"
    if not (folder / "ready").exists():
        pytest.fail(f"{folder} is not there, or not whole: `make test` fetches it")
    return folder
