"""Missing and wrong weights give different errors, both with the cure."""

from pathlib import Path

import pytest

from facebeam.transforms.local_model.fetch_weights import fetch_weights
from facebeam.transforms.local_model.weights import DETECTOR, MESH, WeightsError, check_weights, load_weights


def test_the_weights_are_here() -> None:
    """The weights are in their folder and right. If this test fails, run `make weights`."""
    check_weights()


@pytest.mark.parametrize("name", [DETECTOR, MESH])
def test_missing_weights_say_how_to_get_them(tmp_path: Path, name: str) -> None:
    """If weights are missing, the error names the file and the command that fetches it."""
    with pytest.raises(WeightsError, match=rf"{name}.*make weights.*fetch_weights"):
        load_weights(name, tmp_path)


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    """Weights with one wrong byte are refused, and the error has both digests."""
    (tmp_path / DETECTOR).write_bytes(load_weights(DETECTOR)[:-1] + b"\0\0")
    with pytest.raises(WeightsError, match=r"expected sha256 3563b89e.*found [0-9a-f]{64}.*Cure"):
        check_weights(tmp_path)


def test_fetching_does_nothing_where_the_weights_are_right(tmp_path: Path) -> None:
    """If the weights are right, `fetch_weights` downloads and writes nothing."""
    for name in (DETECTOR, MESH):
        (tmp_path / name).write_bytes(load_weights(name))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert not fetch_weights(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
