"""Weights that are missing or wrong are told apart, with the cure."""

from pathlib import Path

import pytest

from transforms.local_model.fetch_weights import fetch_weights
from transforms.local_model.weights import DETECTOR, MESH, WeightsError, check_weights, load_weights


def test_the_weights_are_here() -> None:
    """The set-up step has been run; if this fails, `make weights` cures it."""
    check_weights()


@pytest.mark.parametrize("name", [DETECTOR, MESH])
def test_missing_weights_say_how_to_get_them(tmp_path: Path, name: str) -> None:
    """The message names the file and the command."""
    with pytest.raises(WeightsError, match=rf"{name}.*make weights.*fetch_weights"):
        load_weights(name, tmp_path)


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    """One wrong byte is enough; the message has both digests."""
    (tmp_path / DETECTOR).write_bytes(load_weights(DETECTOR)[:-1] + b"\0\0")
    with pytest.raises(WeightsError, match=r"expected sha256 99bf9494.*found [0-9a-f]{64}.*Cure"):
        check_weights(tmp_path)


def test_fetching_does_nothing_where_the_weights_are_right(tmp_path: Path) -> None:
    """No download, no write."""
    for name in (DETECTOR, MESH):
        (tmp_path / name).write_bytes(load_weights(name))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert not fetch_weights(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
