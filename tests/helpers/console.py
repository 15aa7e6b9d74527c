"""The console script as a user runs it, and readers for the files that its runs leave."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tests.helpers.waiting import DEADLINE_S
from tests.helpers.warm_process import Command, run_warm

FACEBEAM = str(Path(sys.executable).with_name("facebeam"))
ROOT = Path(__file__).parents[2]
TABLES = ("faces", "images", "dead_letters")
_OF_TRIES = {"lock", "lease.json", "first_try.json"}

Finished = CompletedProcess[str]


def facebeam(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Finished:
    """Run `facebeam` with these arguments to its end."""
    return run_warm(Command([*map(str, arguments)], env or dict(os.environ), cwd), within_s=DEADLINE_S)


def annotate(manifest: Path | str, output: Path, *flags: object) -> Finished:
    """Run `facebeam annotate` to its end; any share of failures is allowed."""
    return facebeam("annotate", "--manifest", manifest, "--output", output, "--max-failure-share", 1, *flags)


def rehearse(manifest: Path | str, output: Path, *flags: object) -> Finished:
    """Run `facebeam annotate` with the fake source, whose URLs need no network."""
    return annotate(manifest, output, "--source", "fake", *flags)


def write_urls(path: Path, urls: Iterable[object]) -> Path:
    """Write a txt manifest with one URL per line."""
    path.write_text("".join(f"{url}\n" for url in urls))
    return path


def run_json(output: Path, run_id: str) -> dict[str, Any]:
    """Read the record of a committed run."""
    assert (output / "_runs" / run_id / "_SUCCESS").exists()
    record: dict[str, Any] = json.loads((output / "_runs" / run_id / "run.json").read_text())
    return record


def table(output: Path, name: str, run_id: str | None = None) -> pd.DataFrame:
    """Read a table of one run or of all runs with pandas, sorted by image id and URL."""
    frame = pd.read_parquet(output / name / f"run={run_id}" if run_id else output / name)
    return frame.sort_values(["image_id", "image_url"], kind="stable", ignore_index=True)


def ends(output: Path) -> Mapping[str, str]:
    """Give the outcome of each image: URL -> `<n> faces` or the error code of its dead letter."""
    images, letters = table(output, "images"), table(output, "dead_letters")
    counts = zip(images["image_url"], images["face_count"], strict=True)
    codes = zip(letters["image_url"], letters["error_code"].astype(str), strict=True)
    return {url: f"{count} faces" for url, count in counts} | dict(codes)


def journaled(output: Path) -> set[str]:
    """Give the URLs for which the journal has an answer."""
    segments = (output / "responses").glob("bucket=*/*.parquet")
    tables = (pq.read_table(path, columns=["image_url", "error_code"]).to_pylist() for path in segments)
    return {entry["image_url"] for entries in tables for entry in entries if entry["error_code"] is None}


def visible(output: Path) -> list[str]:
    """List the published files and records of all runs: what a reader of the output sees."""
    folders = (*TABLES, "_runs")
    files = (path for name in folders for path in (output / name).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(output)) for path in files if path.name not in _OF_TRIES)


def staged(output: Path) -> list[Path]:
    """List all files and folders in the staging folder."""
    return sorted((output / "_staging").glob("*/**/*"))
