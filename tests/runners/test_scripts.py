"""The scripts of benchmarks/ and examples/ say what they need before they do anything."""

import json
import runpy
from pathlib import Path

import pytest

from benchmarks.results import write_run
from tests.helpers.console import ROOT, facebeam, table

SCRIPTS = sorted(
    path
    for folder in ("benchmarks", "examples")
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text()
)
WANTS = {"accuracy.py": "FACES_DIR", "compare_sources.py": "OUTPUT", "fetch_photos.py": "FOLDER"}
WANTS |= {"own_source.py": "MANIFEST, OUTPUT, URL", "show_tables.py": "OUTPUT"}


def run_script(script: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run a script in this process; give its exit code."""
    monkeypatch.setattr("sys.argv", [str(script), *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    return end.value.code


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_help_is_printed_and_nothing_done(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script's `--help` exits with 0 and prints the first line of its file on stdout."""
    assert run_script(script, monkeypatch, "--help") == 0
    title = script.read_text().splitlines()[0].strip('"')
    assert " ".join(title.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", WANTS)
def test_what_is_missing_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script without its required argument exits with 2 and names the argument."""
    (script,) = (script for script in SCRIPTS if script.name == name)
    assert run_script(script, monkeypatch) == 2
    assert f"required: {WANTS[name]}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["accuracy.py", "compare_sources.py", "show_tables.py"])
def test_a_folder_without_what_is_needed_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script exits with 2 and names a folder that lacks its input, and what is missing there."""
    (script,) = (script for script in SCRIPTS if script.name == name)
    assert run_script(script, monkeypatch, str(tmp_path)) == 2
    assert f"{tmp_path} has no " in capsys.readouterr().err


def test_accuracy_takes_labels_of_boxes_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`benchmarks.accuracy` counts found and false faces of photographs with boxes, and prints no errors."""
    labels: dict[Path, dict[str, object]] = {
        photos / "astronaut.png": {"faces": [{"box": [170, 60, 110, 130]}], "tags": ["smile"]},
        photos / "coffee.png": {"faces": [{"box": [10, 10, 60, 60], "yaw_deg": 70}]},
        photos / "obama.jpg": {"faces": []},
    }
    seen = {"n_faces": {"min": 0, "max": 1}}
    truth = {str(path): seen | known for path, known in labels.items()}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    monkeypatch.setattr("sys.argv", ["accuracy", str(tmp_path)])
    runpy.run_path(str(ROOT / "benchmarks/accuracy.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "| all | 1 of 2 | - | - | - |" in shown
    assert "| smile | 1 of 1 | - | - | - |" in shown
    assert "| yaw 60 and more | 0 of 1 | - | - | - |" in shown
    assert "false faces in 3 photographs: obama.jpg (1)" in shown


def test_the_run_that_results_measures_is_one(tmp_path: Path) -> None:
    """The tables that `benchmarks.results` writes without a pipeline can be exported and reported."""
    write_run(tmp_path, 200)
    exported = facebeam(
        "export", "--output", tmp_path, "--newest", "--format", "coco", "--to", tmp_path / "to.json"
    )
    assert exported.returncode == 0, exported.stderr
    reported = facebeam("report", "--output", tmp_path)
    assert reported.returncode == 0, reported.stderr
    assert len(table(tmp_path, "images")) == 160
    assert len(table(tmp_path, "dead_letters")) == 40
    assert len(table(tmp_path, "faces")) == 200
