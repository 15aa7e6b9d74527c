"""`facebeam replay` through the command line: it runs dead letters of chosen codes again, as whole rows."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from facebeam.runners.flags.flag import flags_of
from facebeam.runners.flags.options import RunOptions
from tests.helpers.api_console import TOKEN, UNPACED, annotate_by_api, with_token
from tests.helpers.console import ROOT, TABLES, Finished, facebeam, rehearse, run_json, table, write_urls
from tests.helpers.paid_service import FaultyServer, by_image_url, from_call
from tests.helpers.paid_service_answers import answers, fails
from tests.helpers.scripted_server import Exchange

FAULTS = ("bad_request", "nan", "null_body", "upstream_decode", "one_face")
URLS = {fault: f"https://images.example.com/fault-{fault}/a.jpg" for fault in FAULTS}
RUNNING = ("--source", "api", *UNPACED, "--max-failure-share", "1")


@dataclass(frozen=True)
class Replay:
    """A run, and a replay of one of its codes after the service was repaired."""

    base_url: str
    output: Path
    finished: Finished
    asked: dict[str, int]


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """Run into faults, two rows per fault; repair the service; replay the rows without a valid response."""
    folder, mended = tmp_path_factory.mktemp("replay"), Event()

    def script(exchange: Exchange) -> None:
        (answers() if mended.is_set() else by_image_url(answers()))(exchange)

    rows = [f"{fault}-{copy},{URLS[fault]},caption {copy}" for fault in FAULTS for copy in "ab"]
    (folder / "photos.csv").write_text("\n".join(["image_id,image_url,caption", *rows]))
    output = folder / "out"
    with FaultyServer(script) as server:
        annotate_by_api(server.base_url, folder / "photos.csv", output, "--run-id", "one", *UNPACED)
        mended.set()
        server.calls_by_url.clear()
        flags = ("--output", output, "--run", "one", "--codes", "invalid_response", "--run-id", "two")
        finished = with_token("replay", *flags)
        yield Replay(server.base_url, output, finished, dict(server.calls_by_url))


def test_only_the_codes_that_were_named_are_asked_for(replay: Replay) -> None:
    """A replay exits with 0 and sends one call per image of the code, although the failures are stored."""
    assert replay.finished.returncode == 0, replay.finished.stderr
    assert replay.asked == {URLS["nan"]: 1, URLS["null_body"]: 1}
    assert run_json(replay.output, "two")["calls"]["sent"] == 2


def test_rows_keep_their_ids_and_columns(replay: Replay) -> None:
    """The replay is a run of its own; it has the four rows of two images with ids and manifest columns."""
    found = table(replay.output, "images", "two")
    assert found[["image_id", "caption"]].to_numpy().tolist() == [
        [f"{fault}-{copy}", f"caption {copy}"] for fault in ("nan", "null_body") for copy in "ab"
    ]
    assert len(table(replay.output, "dead_letters", "two")) == 0
    assert set(found.columns) == set(table(replay.output, "images", "one").columns)


def test_a_replay_of_all_runs_finds_what_is_answered_by_now(replay: Replay) -> None:
    """`--run all` replays the dead letters of these codes from every run, and each gets its answer."""
    flags = ("--output", replay.output, "--run", "all", "--codes", "bad_request,image_undecodable")
    finished = with_token("replay", *flags, "--run-id", "three", "--base-url", replay.base_url, *RUNNING)
    assert finished.returncode == 0, finished.stderr
    ids = table(replay.output, "images", "three")["image_id"].tolist()
    assert ids == ["bad_request-a", "bad_request-b", "upstream_decode-a", "upstream_decode-b"]


def test_a_replay_of_all_runs_asks_as_they_did(tmp_path: Path) -> None:
    """A replay of all runs inherits their options; where the runs differ, the user must give the flag."""
    manifest, output = write_urls(tmp_path / "urls.txt", [URLS["nan"]]), tmp_path / "out"
    again = ("replay", "--output", output, "--run", "all", "--codes", "invalid_response")
    with FaultyServer() as server:
        annotate_by_api(server.base_url, manifest, output, "--run-id", "one", *UNPACED)
        annotate_by_api(server.base_url, write_urls(tmp_path / "good.txt", [URLS["one_face"]]), output)
        agreed = with_token(*again, "--max-failure-share", 1, "--run-id", "three")
        assert (agreed.returncode, server.calls) == (0, 3), agreed.stderr
        annotate_by_api(server.base_url, manifest, output, "--run-id", "two", *UNPACED, "--mode", 1)
        differing = with_token(*again)
        assert (differing.returncode, server.calls) == (2, 4)
        assert "these runs differ in --mode (0 and 1): give this flag" in differing.stderr
        told = with_token(*again, "--max-failure-share", 1, "--mode", 1)
        assert (told.returncode, server.calls) == (0, 5), told.stderr
    assert run_json(output, "three")["options"]["source"] == "api"


def test_a_journal_is_the_same_from_every_folder(tmp_path: Path) -> None:
    """A replay from another working folder keeps its answers in the journal of the run."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    manifest, output = write_urls(tmp_path / "urls.txt", [URLS["one_face"]]), tmp_path / "out"
    run = ("--manifest", manifest, "--run-id", "one", "--journal", "answers", "--ask-again", "no_face")
    with FaultyServer(from_call(5, answers(), fails("500 Internal Server Error", "busy"))) as server:
        where = (*RUNNING, "--base-url", server.base_url, "--output", output)
        assert with_token("annotate", *where, *run, cwd=tmp_path / "here").returncode == 0
        again = ("replay", "--output", output, "--run", "one", "--codes", "busy")
        assert with_token(*again, cwd=tmp_path / "there").returncode == 0
    assert list((tmp_path / "there").iterdir()) == []
    assert list((tmp_path / "here" / "answers").glob("bucket=*/*.parquet")) != []


def test_the_last_run_of_a_copy_is_that_of_the_original(tmp_path: Path) -> None:
    """A copy of the output has other file times; `latest` still is the run that was committed last."""
    for run, url in (("b", "https://example.com/fail-timeout/1.jpg"), ("a", "https://example.com/b0.jpg")):
        manifest = write_urls(tmp_path / f"{run}.txt", [url])
        rehearse(manifest, tmp_path / "out", "--run-id", run, "--max-failure-share", "1")
    os.utime(tmp_path / "out/_runs/b/_SUCCESS")
    finished = facebeam("replay", "--output", tmp_path / "out", "--run", "latest", "--codes", "timeout")
    assert "no row ended as timeout: nothing to do" in finished.stderr


def test_any_folder_can_be_replayed(tmp_path: Path) -> None:
    """A replay finds the dead letters of an output whose name looks like a glob pattern."""
    manifest = write_urls(tmp_path / "urls.txt", [URLS["nan"]])
    output = tmp_path / "[3] out"
    with FaultyServer() as server:
        annotate_by_api(server.base_url, manifest, output, "--run-id", "one", *UNPACED)
        flags = ("--output", output.name, "--run", "one", "--codes", "invalid_response")
        finished = with_token("replay", *flags, "--max-failure-share", 1, cwd=tmp_path)
        assert (finished.returncode, server.calls) == (0, 2), finished.stderr


def test_a_replay_asks_as_its_run_did(replay: Replay) -> None:
    """A replay inherits source, service, rate and the other options of the run without any flag for them."""
    first, second = (run_json(replay.output, run_id)["options"] for run_id in ("one", "two"))
    inherited = [name for name, flag in flags_of(RunOptions).items() if flag.inherited]
    assert {name: second[name] for name in inherited} == {name: first[name] for name in inherited}
    assert (second["source"], second["base_url"], second["rate"]) == ("api", replay.base_url, None)


def test_a_replay_finds_the_token_where_its_run_did(tmp_path: Path) -> None:
    """A replay reads the run's token file; if that file is gone, a flag must name another one."""
    manifest, output = write_urls(tmp_path / "urls.txt", [URLS["nan"]]), tmp_path / "out"
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(TOKEN)
    with FaultyServer() as server:
        where = ("--base-url", server.base_url, "--manifest", manifest, "--output", output)
        with_token("annotate", "--token-file", first, "--run-id", "one", *RUNNING, *where, token=None)
        again = ("replay", "--output", output, "--run", "one", "--codes", "invalid_response")
        assert with_token(*again, "--max-failure-share", 1, token=None).returncode == 0
        first.rename(second)
        lost = with_token(*again, token=None)
        assert (lost.returncode, str(first) in lost.stderr) == (2, True)
        found = with_token(*again, "--max-failure-share", 1, "--token-file", second, token=None)
        assert (found.returncode, server.calls) == (0, 3), found.stderr


def test_a_token_that_is_named_takes_the_place_of_the_run_s(replay: Replay) -> None:
    """A --token-file replaces the token secret of the replayed run, without an error about two places."""
    record = replay.output / "_runs" / "one" / "run.json"
    before = record.read_text()
    record.write_text(before.replace('"token_secret": null', '"token_secret": "projects/p/secrets/s"'))
    assert record.read_text() != before
    flags = ("--output", replay.output, "--run", "one", "--codes", "bad_request", "--token-file", "nowhere")
    finished = with_token("replay", *flags)
    record.write_text(before)
    assert finished.returncode == 2
    assert "/nowhere cannot be read" in finished.stderr


@pytest.mark.parametrize("run", ["all", "one"])
def test_nothing_to_replay_is_no_failure(replay: Replay, run: str) -> None:
    """A replay that finds no rows exits with 0 and says that there is nothing to do."""
    finished = facebeam("replay", "--output", replay.output, "--codes", "busy", "--run", run)
    assert finished.returncode == 0
    assert "no row ended as busy: nothing to do" in finished.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "the following arguments are required: --run, --codes"),
        (("--run", "all", "--codes", "bsuy"), "'bsuy' is not an error code"),
        (("--codes", "busy", "--run", "../other"), "'../other' is not a valid run id"),
        (("--codes", "busy", "--run", "other"), "has no committed run other: 'facebeam runs' lists them"),
        (("--codes", "busy", "--run", "all"), "has no committed run: correct --output"),
        (("--codes", "ok", "--run", "all"), "annotate the manifest with --ask-again ok"),
        (
            ("--codes", "busy", "--run", "all", "--manifest=a.csv"),
            "does not work here: choose rows with --run and --codes",
        ),
        (
            ("--codes", "busy", "--run", "all", "--ask-again", "ok"),
            "does not work here: choose rows with --run and --codes",
        ),
    ],
)
def test_a_wrong_flag_is_told(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    """A replay with wrong or missing flags exits with 2, and the error names the flag or its value."""
    finished = facebeam("replay", "--output", tmp_path / "out", *flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr


def test_a_broken_row_is_not_taken_for_a_url(tmp_path: Path) -> None:
    """A replay of a csv row with too many fields fails again, and sends nothing."""
    rows = "https://example.com/a.jpg,b,c\nhttps://example.com/d.jpg,e\n"
    (tmp_path / "photos.csv").write_text(f"image_url,name\n{rows}")
    with FaultyServer() as server:
        annotate_by_api(server.base_url, tmp_path / "photos.csv", tmp_path / "out", *UNPACED)
        codes = ("--run", "latest", "--codes", "invalid_manifest_row")
        assert with_token("replay", "--output", tmp_path / "out", *codes, *RUNNING[2:]).returncode == 0
        assert server.calls == 1
    assert list(table(tmp_path / "out", "dead_letters")["error_code"]) == ["invalid_manifest_row"] * 2


def test_rows_without_a_face_are_replayed_by_their_outcome(tmp_path: Path) -> None:
    """A replay of `no_face` asks again for the rows without a face and keeps their columns, in a new run."""
    faces: list[object] = []
    rows = [f"row-{number},https://images.example.com/{number}.jpg,caption {number}" for number in range(3)]
    (tmp_path / "photos.csv").write_text("\n".join(["image_id,image_url,caption", *rows]))
    output = tmp_path / "out"
    flags = ("--output", output, "--run", "one", "--codes", "no_face", "--run-id", "two")
    with FaultyServer(from_call(4, answers(), answers(faces))) as server:
        annotate_by_api(server.base_url, tmp_path / "photos.csv", output, "--run-id", "one", *UNPACED)
        journal = ("--base-url", server.base_url, *RUNNING)
        finished = with_token("replay", *flags, *journal)
        assert (finished.returncode, server.calls) == (0, 6), finished.stderr
    found = table(output, "images", "two")
    assert list(found["caption"]) == ["caption 0", "caption 1", "caption 2"]
    assert set(found["outcome"]) == {"ok"}
    finished = with_token("replay", *flags[:2], "--run", "two", "--codes", "no_face", *journal)
    assert (finished.returncode, finished.stdout) == (0, "")
    assert "no row ended as no_face: nothing to do" in finished.stderr


def test_the_readme_names_every_file_that_holds_a_person(tmp_path: Path) -> None:
    """After a run, a replay and a report, what holds an image's URL is what README.md has a user delete.

    Only the owner can read any of it.
    """
    urls = [f"https://example.com/{'x' * number}.jpg" for number in range(1, 8)]  # some without a face
    output = tmp_path / "out"
    rehearse(write_urls(tmp_path / "urls.txt", urls), output, "--run-id", "one")
    facebeam("replay", "--output", output, "--run", "one", "--codes", "no_face", "--run-id", "two")
    facebeam("report", "--output", output, "--run", "one")
    (_, privacy) = (ROOT / "README.md").read_text().split("## Privacy")
    to_delete = privacy.partition("To delete a person")[2].partition("\n\n")[0]
    named = {"three tables": {*TABLES}, "journal": {"responses"}}
    named |= {name: {name} for name in ("report.html", "no_face.parquet")}
    found = {
        path.name if "_runs" in path.parts else path.relative_to(output).parts[0]
        for path in output.rglob("*")
        if path.is_file() and any(url in _text(path) for url in urls)
    }
    assert found - set().union(*(files for words, files in named.items() if words in to_delete)) == set()
    assert {"faces", "images", "responses", "report.html", "no_face.parquet"} <= found
    assert [path for path in output.rglob("*") if path.stat().st_mode & 0o077] == []


def test_the_readme_deletes_a_person_and_no_other_answer(tmp_path: Path) -> None:
    """README's program deletes every row of an image; the next run asks for this image only."""
    urls = [f"https://example.com/{'x' * number}.jpg" for number in range(1, 8)]
    manifest, output = write_urls(tmp_path / "urls.txt", urls), tmp_path / "out"
    rehearse(manifest, output, "--run-id", "one")
    facebeam("replay", "--output", output, "--run", "one", "--codes", "no_face", "--run-id", "two")
    (_, program) = (ROOT / "README.md").read_text().split("To delete a person")
    program = program.partition("```python\n")[2].partition("```")[0]
    deleted = table(output, "images", "two")["image_url"][0]
    assert "https://example.com/anna.jpg" in program
    program = program.replace("https://example.com/anna.jpg", deleted)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    holding = [path.parts[-3] for path in output.rglob("*") if path.is_file() and deleted in _text(path)]
    assert {*holding} <= {"_staging"}
    finished = rehearse(manifest, output, "--run-id", "three")
    assert finished.returncode == 0, finished.stderr
    assert run_json(output, "three")["calls"]["from_journal"] == len(urls) - 1


@pytest.mark.parametrize("rewritten_by", ["pyarrow", "pandas"])
def test_after_a_person_is_deleted_every_command_works(tmp_path: Path, rewritten_by: str) -> None:
    """Tables without a person's rows are still shown, exported and replayed; a file may have no row left."""
    urls = ["https://example.com/fail-timeout/1.jpg", *(f"https://example.com/{c}.jpg" for c in "abc")]
    rows = "".join(f"{url},id-{number},x\n" for number, url in enumerate(urls))
    (tmp_path / "photos.csv").write_text(f"image_url,image_id,label\n{rows}https://[,odd,x\n")
    run = ("--source", "fake", "--manifest", tmp_path / "photos.csv", "--output", tmp_path / "out")
    finished = facebeam("annotate", *run, "--run-id", "one", "--max-failure-share", "1")
    assert finished.returncode == 0, finished.stderr
    for path in [path for name in TABLES for path in (tmp_path / "out" / name).rglob("*.parquet")]:
        rows_left = pq.ParquetFile(path).read()
        rows_left = rows_left.filter(pc.invert(pc.is_in(rows_left["image_id"], pa.array(["id-0", "id-1"]))))
        if rewritten_by == "pandas":
            rows_left = pa.Table.from_pandas(rows_left.to_pandas())
        pq.write_table(rows_left, path)
    of_run = ("--output", tmp_path / "out", "--run", "one")
    for command in (
        ("report", *of_run, "--images", "0"),
        ("finalize", *of_run),
        ("export", *of_run, "--format", "coco", "--to", tmp_path / "coco"),
        ("annotate", *run, "--run-id", "one", "--max-failure-share", "1"),
        ("replay", *of_run, "--codes", "timeout,no_face"),
    ):
        finished = facebeam(*command)
        assert finished.returncode == 0, finished.stderr
    as_itself = facebeam("replay", *of_run, "--codes", "no_face", "--run-id", "one")
    assert as_itself.returncode == 2
    assert "and this one is made of its own rows. Nothing was asked for" in as_itself.stderr
    again = ("replay", *of_run, "--codes", "invalid_manifest_row", "--run-id", "two")
    assert facebeam(*again).returncode == 3
    (letter,) = table(tmp_path / "out", "dead_letters", "two").to_dict("records")
    assert (letter["image_id"], letter["label"]) == ("odd", "x")


def _text(path: Path) -> str:
    """Read a file as text; Parquet by its values."""
    return str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()


CHANGED: Mapping[str, tuple[object, object, list[object]]] = {
    "score": (7, 7.5, [7.0, 7.5]),
    "wide": (2**53 + 1, 7.5, ["9007199254740993", "7.5"]),
    "label": (7, "seven", ["7", "seven"]),
    "flag": (True, 1, ["true", "1"]),
    "new": (None, 1, [None, "1"]),
}
"""Column -> its value in the first run and in the second, and its values in a replay of both."""


def test_a_replay_of_all_runs_survives_a_change_of_types(tmp_path: Path) -> None:
    """Rows of runs with different types are replayed together, no value changes, and a repeat is no error."""
    output = tmp_path / "out"
    urls = ("https://example.com/a.jpg", "https://example.com/fail-timeout/1.jpg")  # no face, a dead letter
    for number, run_id in enumerate(("r1", "r2")):
        values = {name: cases[number] for name, cases in CHANGED.items()}
        manifest = tmp_path / f"{run_id}.jsonl"
        rows = [json.dumps({"image_id": run_id, "image_url": url, **values}) for url in urls]
        manifest.write_text("\n".join(rows))
        assert rehearse(manifest, output, "--run-id", run_id).returncode == 0
    again = ("replay", "--output", output, "--run", "all", "--codes", "timeout,no_face", "--run-id", "r3")
    for said in ("'new' was int64 and is string", "run r3 is committed already: nothing to do"):
        finished = facebeam(*again, "--max-failure-share", 1)
        assert finished.returncode == 0, finished.stderr
        assert said in finished.stderr
    for name in ("images", "dead_letters"):
        found = table(output, name, "r3")
        assert {column: found[column].tolist() for column in CHANGED} == {
            column: replayed for column, (_, _, replayed) in CHANGED.items()
        }


def test_lists_and_texts_are_replayed_one_by_one(tmp_path: Path) -> None:
    """Where one run has lists and another one texts, a replay of all exits with 2 and says what to do."""
    url, output = "https://example.com/fail-timeout/1.jpg", tmp_path / "out"
    for run_id, tags in (("r1", ["a"]), ("r2", "a")):
        pq.write_table(pa.table({"image_url": [url], "tags": [tags]}), tmp_path / f"{run_id}.parquet")
        assert rehearse(tmp_path / f"{run_id}.parquet", output, "--run-id", run_id).returncode == 0
    refused = facebeam("replay", "--output", output, "--run", "all", "--codes", "timeout")
    assert refused.returncode == 2
    assert "column 'tags' is list<element: string> in" in refused.stderr
    assert "replay one run at a time, with --run ID" in refused.stderr


def test_the_exit_code_tells_whether_a_row_failed_again(tmp_path: Path) -> None:
    """A replay of the last run exits with 3 if one row of many failed again, and with 0 if none did."""
    output, no_face = tmp_path / "out", "https://example.com/d0.jpg"
    urls = [*[no_face] * 30, "https://example.com/fail-timeout/1.jpg"]
    rehearse(write_urls(tmp_path / "urls.txt", urls), output, "--run-id", "one")
    again = ("replay", "--output", output, "--run", "latest", "--codes")
    failed = facebeam(*again, "retryable,no_face", "--run-id", "two")
    assert failed.returncode == 3, failed.stderr
    assert run_json(output, "two")["counts"]["rows_read"] == 31
    assert "3.2 % of its rows are dead letters; --max-failure-share allows 0.0 %" in failed.stderr
    assert facebeam(*again, "no_face").returncode == 0
    nothing = facebeam(*again, "retryable")
    assert nothing.returncode == 0
    assert "nothing to do" in nothing.stderr
