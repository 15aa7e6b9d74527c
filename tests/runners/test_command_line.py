"""The command line: flags are strict and checked early, and each error is short and says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name

import pytest

from facebeam.runners.cli import COMMANDS, Command
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.schemas.errors import RunError
from tests.helpers.console import FACEBEAM, annotate, facebeam, rehearse, run_json, table, visible, write_urls

URLS = [f"https://example.com/{number}.jpg" for number in range(20)]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Write a manifest of twenty images."""
    return write_urls(tmp_path / "photos.txt", URLS)


def imported(*arguments: object) -> str:
    """Run the console script; give Python's own report of what it imports."""
    command = [sys.executable, "-X", "importtime", FACEBEAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_help_comes_in_groups_with_examples() -> None:
    """`annotate --help` prints groups, examples, exit codes and defaults; `--help` lists `annotate`."""
    finished = facebeam("annotate", "--help")
    assert (finished.returncode, finished.stderr) == (0, "")
    for part in (
        "data:",
        "faces:",
        "run:",
        "examples:",
        "exit codes:",
        "--manifest photos.csv",
        "(default: image_url)",
    ):
        assert part in finished.stdout
    commands = facebeam("--help")
    assert commands.returncode == 0
    assert "annotate" in commands.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([name, "--help"] for name in COMMANDS),
        *([name, "--no-such-flag"] for name in COMMANDS),
    ],
)
def test_what_needs_no_run_imports_nothing_heavy(arguments: Sequence[str]) -> None:
    """A call that starts no run skips slow imports: Beam, Arrow, networks, HTTP, the progress bar."""
    modules = imported(*arguments)
    assert "facebeam.runners.cli" in modules
    heavy = ("apache_beam", "pyarrow", "ai_edge_litert", "requests", "rich", "fastapi")
    assert not [name for name in heavy if name in modules]


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"report", "serve"}))
def test_only_report_and_serve_need_more_than_the_package(name: str) -> None:
    """Every other command works where no extra is installed."""
    hidden = "import sys; sys.modules.update(dict.fromkeys(['jinja2', 'PIL', 'fastapi', 'ai_edge_litert']))"
    script = f"{hidden}; import facebeam.runners.{COMMANDS[name].act.partition(':')[0]}"
    command = [sys.executable, "-c", script]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("command", COMMANDS.values())
def test_each_command_takes_what_its_flags_give(command: Command) -> None:
    """The type of the options that a command's parser gives is the one that the command takes."""
    parse, act = (resolve_name(f"facebeam.runners.{name}") for name in (command.parse, command.act))
    (taken,) = signature(act).parameters.values()
    assert signature(parse).return_annotation is taken.annotation
    assert signature(act).return_annotation is int


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_tells_its_exit_codes(name: str) -> None:
    """`--help` of each command lists its own exit codes, and only `annotate`'s kind of run ends with 3."""
    told = facebeam(name, "--help").stdout
    assert "exit codes:" in told
    assert ("  3  " in told) == (name in {"annotate", "replay", "finalize"})


WRONG_VALUES = [
    (["--workers", "0"], "'0' is neither 'auto' nor a number from 1 to 256"),
    (["--workers", "257"], "'257' is neither"),
    (["--workers", "many"], "'many' is neither"),
    (["--max-failure-share", "1.1"], "'1.1' is not a share from 0 to 1"),
    (["--max-failure-share", "nan"], "'nan' is not a share"),
    (["--mode", "2"], "choose from 0, 1"),
    (["--need-rotate-detection", "yes"], "invalid int value: 'yes'"),
    (["--source", "locl"], "choose from"),
    (["--log-format", "xml"], "choose from"),
    (["--run-id", "../other"], "'../other' is not a valid run id"),
    (["--run-id", ""], "'' is not a valid run id"),
    (["--run-id", "all"], "'all' means every run in 'facebeam replay': choose another name"),
    (["--journal", ""], "'' is not a path"),
    (["--max-age", "800000d"], "'800000d' is not a length of time"),
    (["--output", ""], "'' is not a path"),
    (["--manifest", " "], "' ' is not a path"),
    (["--runner=DaskRunner"], "'DaskRunner': Beam's DaskRunner processes every element twice"),
    (["--runner", "SparkRunner"], "'SparkRunner': submit to Spark with --runner portable"),
    (["--runner", "ray"], "'ray': choose from local, flink, dataflow, portable, prism"),
    (["--runner", "FlinkRunner", "--worker_pool=localhost:1"], "--runner flink needs --flink-master"),
    (["--dry-run"], "Nothing was sent; this shows what a run would send: facebeam plan --manifest"),
    (["--dry_run=true"], "there is no flag --dry_run=true. Nothing was sent"),
    (["--dryrun", "true"], "Nothing was sent"),
    (["--input", "photos.csv"], "there is no flag --input: give the manifest with --manifest"),
    (["--api-key=secret"], "there is no flag --api-key: give the token with ACEDATACLOUD_API_TOKEN"),
    (["--resume"], "there is no flag --resume: the same command continues a run"),
    (["--runner", "flink", "--worker-pool", "localhost:1"], "--runner flink needs --flink-master"),
    (["--region", "europe-west1"], "--region works only with --runner dataflow"),
    (["--detach"], "--detach works only with --runner portable or flink or dataflow"),
    (["--job-endpoint", "here"], "'here' is not an address such as"),
    (["--temp-location", "temp"], "'temp' is not a folder such as gs://bucket/temp"),
    (["--shards", "257"], "'257' is not a number from 1 to 256"),
    (["stray.csv"], "unexpected argument 'stray.csv'; list several manifests after one --manifest"),
    (["-q"], "unexpected argument '-q'"),
    (["--rate", "10"], "--rate works only with --source api"),
    (["--price=0.0025"], "--price works only with --source api"),
    (["--min-score", "2"], "'2' is not a share from 0 to 1"),
    (["--source", "api", "--min-score", "0.5"], "--min-score works only with --source local"),
    (["--limit=1", "--sample=1"], "--limit and --sample exclude each other: give one"),
    (["--run-id"], "expected one argument"),
]


@pytest.mark.parametrize("runner", ["DirectRunner", "direct", "LOCAL", "FnApiRunner"])
def test_beams_names_of_the_local_runner_are_taken(manifest: Path, runner: str) -> None:
    """A run by Beam's name for this machine says which engine it is."""
    finished = rehearse(manifest, manifest.parent / "out", "--runner", runner)
    assert finished.returncode == 0, finished.stderr
    assert "on this machine, with Beam's FnApiRunner" in finished.stderr


def test_our_flags_may_be_spelled_as_beams(manifest: Path) -> None:
    """`_` stands for `-` in a flag's name, and stays in its value."""
    finished = rehearse(manifest, manifest.parent / "out", "--run_id=a_b", "--max_failure_share", 1)
    assert finished.returncode == 0, finished.stderr
    assert run_json(manifest.parent / "out", "a_b")["options"]["max_failure_share"] == 1


@pytest.mark.parametrize(
    ("module", "code", "said"),
    [
        ("facebeam", 2, "COMMAND"),
        ("facebeam.runners.cli", 2, "COMMAND"),
        ("facebeam.pipelines.annotate_manifest", 2, "to run it, type: facebeam annotate"),
    ],
)
def test_a_module_that_is_run_never_ends_well_without_work(module: str, code: int, said: str) -> None:
    """`python -m` runs the command line, or says what to type."""
    finished = subprocess.run(
        [sys.executable, "-m", module, "--manifest=photos.csv"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == code
    assert said in finished.stderr


@pytest.mark.parametrize(("flags", "said"), WRONG_VALUES)
def test_a_wrong_value_is_told_with_its_rule(manifest: Path, flags: Sequence[str], said: str) -> None:
    """A command with a wrong value exits with 2, shows the value and its rule, and creates no folder."""
    output = manifest.parent / "out"
    finished = rehearse(manifest, output, *flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert not output.exists()


WRONG_FLAGS = [
    (["--qiet"], "there is no flag --qiet: did you mean --quiet?"),
    (["--workrs=4"], "there is no flag --workrs: did you mean --workers?"),
    (["--work", "4"], "there is no flag --work: did you mean --workers?"),
    (["--max-failure", "1"], "there is no flag --max-failure: did you mean --max-failure-share?"),
    (
        ["--direct_num_worker", "4"],
        "there is no flag --direct_num_worker: did you mean --direct_num_workers?",
    ),
    (["--streaming"], "--streaming is a flag of Beam that --runner local does not use: leave it out"),
    (["--requirements_file", "r.txt"], "does not use: use it with --runner dataflow or --runner flink"),
    (["--job_name=x"], "does not use: use it with --runner dataflow or --runner flink"),
    (["--on_success_matcher=x"], "does not use: leave it out"),
    (["--xyzzy"], "there is no flag --xyzzy: see 'facebeam annotate --help'"),
    (["--direct_num_workers", "four"], "argument --direct_num_workers: invalid int value: 'four'"),
]


@pytest.mark.parametrize(("flags", "said"), WRONG_FLAGS)
def test_an_unknown_flag_is_told_with_the_nearest_one(
    capsys: pytest.CaptureFixture[str], flags: Sequence[str], said: str
) -> None:
    """The error names the nearest flag, ours or Beam's, also for an abbreviation; else it names the help."""
    with pytest.raises((RunError, SystemExit)) as caught:
        check_beam_flags(flags, "local")
    assert said in f"{caught.value} {capsys.readouterr().err}"


@pytest.mark.parametrize(("flags", "said"), [WRONG_FLAGS[0], WRONG_FLAGS[-1]])
def test_an_unknown_flag_starts_nothing(manifest: Path, flags: Sequence[str], said: str) -> None:
    """A run with a wrong flag exits with 2 and an error of at most two lines; no file is visible."""
    finished = rehearse(manifest, manifest.parent / "out", *flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr
    assert len(finished.stderr.splitlines()) <= 2
    assert visible(manifest.parent / "out") == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "annotate --manifset photos.txt --output out",
            "annotate: there is no flag --manifset: did you mean",
        ),
        (
            "plan --manifest photos.txt --outptu=out",
            "plan: there is no flag --outptu: did you mean --output?",
        ),
        ("replay --output out --rnu one --codes busy", "replay: there is no flag --rnu: did you mean --run?"),
    ],
)
def test_a_mistyped_flag_that_must_be_given_is_told(command: str, said: str) -> None:
    """The error names the mistyped flag, not only the required flag that is missing because of it."""
    finished = facebeam(*command.split())
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr


def test_a_value_is_no_mistyped_flag(manifest: Path) -> None:
    """The parser accepts a value that has the name of a flag."""
    finished = rehearse(manifest, manifest.parent / "out", "--run-id", "manifest", "--url-column", "output")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("anotate", "there is no command 'anotate': did you mean annotate?"),
        ("walk", "there is no command 'walk': choose from annotate, plan, replay"),
    ],
)
def test_an_unknown_command_is_told_with_the_known_ones(command: str, said: str) -> None:
    """An unknown command exits with 2, and the error has the nearest command, or lists all of them."""
    finished = facebeam(command)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert said in finished.stderr


@pytest.mark.parametrize("sink", ["/dev/full", "closed pipe"])
def test_what_cannot_be_printed_changes_no_exit_code(manifest: Path, sink: str) -> None:
    """A committed run whose summary cannot be printed says so and exits with 0, without a traceback."""
    flags = ["--manifest", str(manifest), "--output", str(manifest.parent / "out"), "--run-id", "one"]
    command = [FACEBEAM, "annotate", "--source", "fake", "--max-failure-share", "1", *flags]
    reading, writing = os.pipe()
    os.close(reading)
    with open(sink if sink == "/dev/full" else writing, "w") as stdout:  # noqa: PTH123 - a descriptor too
        finished = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "not everything could be printed" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert run_json(manifest.parent / "out", "one")["counts"]["rows_read"] == len(URLS)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_change_no_exit_code(manifest: Path, closed: str) -> None:
    """A run that is started without stdout, or without any stream, as by some schedulers, ends with 0."""
    command = f"{FACEBEAM} annotate --source fake --manifest {manifest} --output out --run-id one {closed}"
    subprocess.run(["/bin/sh", "-c", command], cwd=manifest.parent, check=True)
    assert run_json(manifest.parent / "out", "one")["counts"]["rows_read"] == len(URLS)


def test_a_bare_environment_reads_and_writes_any_name(tmp_path: Path) -> None:
    """Without HOME, and in a locale that knows only ASCII, names of other letters are the same."""
    (tmp_path / "é.csv").write_text("image_id,image_url,größe\né1,https://example.com/é.jpg,Ü\n")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [FACEBEAM, "annotate", "--source", "fake", "--manifest", "é.csv", "--output", "ü"]
    subprocess.run(command, cwd=tmp_path, env=bare, check=True, capture_output=True)
    assert table(tmp_path / "ü", "images")[["image_id", "größe"]].to_numpy().tolist() == [["é1", "Ü"]]


def test_a_run_that_is_over_ends_as_it_did(manifest: Path) -> None:
    """A repeated command starts no second run and ends with the same exit code and the same last line."""
    manifest.write_text("https://example.com/fail-not_found/a.jpg\n")
    flags = ("--max-failure-share", "0.5", "--run-id", "one")
    first, second = (rehearse(manifest, manifest.parent / "out", *flags) for _ in range(2))
    assert (first.returncode, second.returncode) == (3, 3)
    assert "committed already: nothing to do" in second.stderr
    assert first.stderr.splitlines()[-1] == second.stderr.splitlines()[-1]


def test_quiet_says_nothing(tmp_path: Path, photos: Path) -> None:
    """With --quiet, a good run of the local model leaves stdout and stderr empty."""
    manifest = write_urls(tmp_path / "photos.txt", [photos / "coffee.png"])
    finished = annotate(manifest, tmp_path / "out", "--allow-local-files", "--quiet", "--run-id", "one")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert run_json(tmp_path / "out", "one")["counts"]["no_face"] == 1


def test_quiet_still_tells_what_went_wrong(manifest: Path) -> None:
    """With --quiet, a run with too many failures prints one error line and nothing else."""
    manifest.write_text("https://example.com/fail-not_found/a.jpg\n")
    flags = ("--quiet", "--max-failure-share", "0.5")
    finished = rehearse(manifest, manifest.parent / "out", *flags)
    assert (finished.returncode, finished.stdout) == (3, "")
    assert len(finished.stderr.splitlines()) == 1
    assert "100.0 % of its rows are dead letters; --max-failure-share allows 50.0 %" in finished.stderr


def test_json_logs_are_objects(manifest: Path) -> None:
    """JSON logs have one object per line of stderr, the last one with the counts; stdout is empty."""
    finished = rehearse(manifest, manifest.parent / "out", "--log-format", "json", "--run-id", "one")
    assert (finished.returncode, finished.stdout) == (0, "")
    entries = [json.loads(line) for line in finished.stderr.splitlines()]
    assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
    counts = run_json(manifest.parent / "out", "one")["counts"]
    told = {name: entries[-1][name] for name in ("event", "run_id", "rows", "ok", "no_face", "faces")}
    assert told == {
        "event": "committed",
        "run_id": "one",
        "rows": 20,
        **{name: counts[name] for name in ("ok", "no_face", "faces")},
    }


def test_errors_are_objects_too(tmp_path: Path) -> None:
    """With --log-format json, the error about a missing manifest is one JSON object."""
    finished = annotate(tmp_path / "none.csv", tmp_path / "out", "--log-format", "json")
    assert finished.returncode == 2
    entry = json.loads(finished.stderr)
    assert (entry["level"], str(tmp_path / "none.csv") in entry["message"]) == ("error", True)


def test_beams_own_flags_reach_beam(manifest: Path) -> None:
    """A run that repeats every bundle by a flag of Beam counts no row twice, and its record has the flag."""
    finished = rehearse(
        manifest, manifest.parent / "out", "--direct_runner_bundle_repeat=1", "--run-id", "one"
    )
    assert finished.returncode == 0, finished.stderr
    record = run_json(manifest.parent / "out", "one")
    assert record["options"]["beam_flags"] == ["--direct_runner_bundle_repeat=1"]
    assert record["counts"]["rows_read"] == record["counts"]["ok"] + record["counts"]["no_face"] == 20


def test_several_manifests(manifest: Path) -> None:
    """Names and globs after one --manifest or several form one manifest that has each file once."""
    extra = write_urls(manifest.parent / "more-1.txt", ["https://example.com/x.jpg"])
    extra.with_name("more-2.csv").write_text("image_url\nhttps://example.com/y.jpg\n")
    flags = (extra, "--manifest", str(extra.with_name("more-*")), "--run-id", "one")
    finished = rehearse(manifest, manifest.parent / "out", "--manifest", *flags)
    assert finished.returncode == 0, finished.stderr
    assert run_json(manifest.parent / "out", "one")["counts"]["rows_read"] == 22


def test_the_url_column_can_have_another_name(manifest: Path) -> None:
    """--url-column names the column of URLs; without it, the error names this flag and the likely column."""
    table = manifest.with_name("photos.csv")
    table.write_text("picture,Image URL\n1,https://example.com/a.jpg\n")
    wrong = rehearse(table, manifest.parent / "out")
    assert wrong.returncode == 2
    assert "has no column 'image_url': rename 'Image URL', or give --url-column 'Image URL'" in wrong.stderr
    right = rehearse(table, manifest.parent / "out", "--url-column", "Image URL", "--run-id", "one")
    assert right.returncode == 0, right.stderr
    assert run_json(manifest.parent / "out", "one")["counts"]["rows_read"] == 1


def test_help_takes_little(tmp_path: Path) -> None:
    """`--help` uses less than 0.3 s of CPU: the least of five calls, since the machine may be busy."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    command = [sys.executable, "-c", script, FACEBEAM, "--help"]
    seconds = [float(subprocess.check_output(command, cwd=tmp_path)) for _ in range(5)]
    assert min(seconds) < 0.3
