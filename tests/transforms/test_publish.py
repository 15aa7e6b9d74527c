"""A checked run becomes visible as a whole or not at all, wherever its process dies."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import pytest

from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.tables import TABLES
from facebeam.transforms.steps.publish import Plan, discard, finish, publish, resume, sweep_staging

KILLED = 9
FILES = ("faces/part-1", "images/part-1", "dead_letters/error_code=timeout/part-1")
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["facebeam.transforms.steps.publish", "pytest"]
)  # else each process imports them: 2 s
_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}
_ANYWHERE = {"os.remove", "os.rmdir"}  # while a folder is deleted, these have a bare name, not a path


def checked_run(layout: Layout) -> Plan:
    """Stage one file per table, as after a successful check; give the plan to publish them."""
    for file in FILES:
        staged = Path(layout.staging, file)
        staged.parent.mkdir(parents=True)
        staged.write_text(file)
    return Plan(files={file: len(file) for file in FILES}, record={"run_id": layout.run_id})


def published(layout: Layout, file: str) -> Path:
    """Give where readers find a file of the plan."""
    table, _, below = file.partition("/")
    return Path(layout.published(table, below))


def visible(layout: Layout) -> list[str]:
    """List the tables whose published file a reader sees with its whole content."""
    return [
        file for file in FILES if (path := published(layout, file)).is_file() and path.read_text() == file
    ]


def is_whole(layout: Layout) -> bool:
    """Tell whether a run is committed; check that a committed run is complete."""
    if not Path(layout.success).exists():
        return False
    assert visible(layout) == list(FILES)
    assert json.loads(Path(layout.run_json).read_text()) == {"run_id": layout.run_id}
    return True


def is_gone(layout: Layout) -> bool:
    """Tell whether a run has no published file, no record and no success mark."""
    return not visible(layout) and not Path(layout.run_json).exists() and not Path(layout.success).exists()


def die_before(step: int, folder: str) -> None:
    """Make this process exit just before its n-th file operation in a folder, counted from 0."""
    left = count(step, -1)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if (
            event in _STEPS
            and (event in _ANYWHERE or str(arguments[0]).startswith(folder))
            and not next(left)
        ):
            os._exit(KILLED)

    sys.addaudithook(watch)


def publish_until(step: int, layout: Layout, plan: Plan) -> None:
    """Publish a run; this process dies before the given step."""
    die_before(step, layout.output)
    publish(layout, plan)


def resume_until(step: int, layout: Layout) -> None:
    """Resume a run; this process dies before the given step."""
    die_before(step, layout.output)
    resume(layout)


def survives(work: object, *arguments: object) -> bool:
    """Run a function in its own process; tell whether the process reached the end."""
    process = _PROCESSES.Process(target=work, args=arguments)  # type: ignore[arg-type]  # any function of ours
    process.start()
    process.join()
    assert process.exitcode in {0, KILLED}
    return process.exitcode == 0


def runs(folder: Path) -> Iterator[Layout]:
    """Give an endless series of runs, each in its own output."""
    return (Layout(str(folder / str(number)), "r1") for number in count())


def test_a_checked_run_becomes_visible(tmp_path: Path) -> None:
    """A published run has all files, the record and the success mark, and its staging folder is gone."""
    layout = Layout(str(tmp_path), "r1")
    publish(layout, checked_run(layout))
    assert is_whole(layout)
    assert not Path(layout.staging).exists()


def test_killed_before_any_step_and_taken_up(tmp_path: Path) -> None:
    """A run that is killed before any step of publishing and then resumed is complete or leaves no trace.

    A run that looks committed is complete at any moment. A resume completes each run that has a plan.
    """
    ends = []
    for step, layout in enumerate(runs(tmp_path)):
        if survives(publish_until, step, layout, checked_run(layout)):
            break
        planned, was_whole = Path(layout.plan).exists(), is_whole(layout)
        assert resume(layout) == planned
        assert is_whole(layout) == (planned or was_whole)
        assert is_whole(layout) or is_gone(layout)
        assert not Path(layout.staging).exists()
        ends.append(is_whole(layout))
    assert ends == sorted(ends)
    assert ends.count(False) >= 2
    assert ends.count(True) >= 10


def test_killed_again_and_again(tmp_path: Path) -> None:
    """Each process that resumes a planned run continues where the last one died, until the run is whole."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    steps_to_plan = next(step for step in count() if _is_planned(step, tmp_path / "trials"))
    assert not survives(publish_until, steps_to_plan, layout, plan)
    deaths = next(step for step in count() if survives(resume_until, step + 1, layout))
    assert is_whole(layout)
    assert not Path(layout.staging).exists()
    assert deaths > 2


def _is_planned(step: int, folder: Path) -> bool:
    layout = Layout(str(folder / str(step)), "r1")
    survives(publish_until, step, layout, checked_run(layout))
    return Path(layout.plan).exists()


@pytest.mark.parametrize("table", TABLES)
def test_a_move_that_fails_can_be_made_up_for(tmp_path: Path, table: str) -> None:
    """A file in the place of a folder ends publishing with an error; the next try finishes the run."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    obstacle = Path(layout.folder(table))
    obstacle.touch()
    with pytest.raises(RunError, match=f"cannot (publish|remove|list) {obstacle}"):
        publish(layout, plan)
    assert not is_whole(layout)
    assert not Path(layout.run_json).exists()
    obstacle.unlink()
    assert resume(layout)
    assert is_whole(layout)


def test_a_file_that_is_nowhere_ends_the_run(tmp_path: Path) -> None:
    """A staged file that has vanished is named, there is no mark of success, and the plan stays."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    Path(layout.staging, FILES[1]).unlink()
    for again in (partial(publish, layout, plan), partial(finish, layout), partial(resume, layout)):
        with pytest.raises(
            RunError, match=f"{published(layout, FILES[1])} is missing, or its size has changed"
        ):
            again()
        assert not is_whole(layout)
        assert not discard(layout)
    assert Path(layout.plan).exists()


def test_what_nobody_counted_is_not_published(tmp_path: Path) -> None:
    """A run's folders hold exactly the planned files; all others are deleted, staged or published."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    stale = [published(layout, file) for file in ("faces/old", "dead_letters/error_code=busy/old")]
    retried = [Path(layout.staging, file) for file in ("images/b", "dead_letters/error_code=dns/b")]
    for path in (*stale, *retried):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rows of nobody")
    publish(layout, plan)
    assert is_whole(layout)
    found = {path for table in TABLES for path in Path(layout.published(table)).rglob("*") if path.is_file()}
    assert found == {published(layout, file) for file in FILES}


def test_a_planned_run_can_be_moved_with_its_output(tmp_path: Path) -> None:
    """A run that was cut off is finished after its output has moved, and through another spelling of it."""
    layout = Layout(str(tmp_path / "before"), "r1")
    plan = checked_run(layout)
    Path(layout.plan).write_text(json.dumps(plan))
    (tmp_path / "before").rename(tmp_path / "after")
    sweep_staging(f"{tmp_path}/./after/", lambda *_: nullcontext(enter_result=True))
    assert is_whole(Layout(str(tmp_path / "after"), "r1"))


@pytest.mark.parametrize(
    "plan",
    [
        "",
        "[1]",
        "{}",
        '{"files": ["faces/a"], "record": {}}',
        '{"files": {"faces/../../victim": 1}, "record": {}}',
        '{"files": {"/etc/passwd": 1}, "record": {}}',
        '{"files": {"_runs/other/run.json": 1}, "record": {}}',
        '{"moves": [["out/_staging/evil/payload", "/home/victim/key"]], "record": {}}',
    ],
)
def test_a_plan_that_is_none_is_reported_and_touches_nothing(
    tmp_path: Path, plan: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged or forged plan publishes nothing and does not end the sweep: a warning names the cure."""
    evil, good = Layout(str(tmp_path), "evil"), Layout(str(tmp_path), "good")
    Path(evil.staging).mkdir(parents=True)
    Path(evil.plan).write_text(plan)
    Path(good.staging).mkdir()
    Path(good.plan).write_text(json.dumps(checked_run(good)))
    before = {path for path in tmp_path.rglob("*") if "good" not in str(path)}
    sweep_staging(str(tmp_path), lambda *_: nullcontext(enter_result=True))
    assert before <= {path for path in tmp_path.rglob("*") if "good" not in str(path)}
    assert is_whole(good)
    assert f"delete {evil.staging} and start it again with --run-id evil" in caplog.text


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    """Files beside the staged runs, such as those of a desktop, stay and are nobody's run."""
    (tmp_path / "_staging/.trash").mkdir(parents=True)
    strays = [tmp_path / "_staging/.DS_Store", tmp_path / "_staging/.trash/a", tmp_path / "_staging/notes"]
    for stray in strays:
        stray.touch()
    sweep_staging(str(tmp_path), lambda *_: pytest.fail("asked"))
    assert all(stray.exists() for stray in strays)


def test_an_unchecked_run_leaves_nothing(tmp_path: Path) -> None:
    """A resume deletes what was staged without a plan, and does nothing for a run that does not exist."""
    layout = Layout(str(tmp_path), "r1")
    checked_run(layout)
    assert not resume(layout)
    assert not Path(layout.staging).exists()
    assert not resume(layout)
    assert is_gone(layout)


@pytest.mark.parametrize("name", ["out", "out[1]*", "a b", "ü"])
def test_the_sweep_resumes_dead_runs_only(tmp_path: Path, name: str) -> None:
    """The sweep finishes or deletes dead runs, keeps living ones, and judges each by its last change."""
    output = str(tmp_path / name)
    planned, unchecked, living = (Layout(output, run_id) for run_id in ("planned", "unchecked", "living"))
    Path(planned.staging).mkdir(parents=True)
    Path(planned.plan).write_text(json.dumps(checked_run(planned)))
    checked_run(unchecked)
    checked_run(living)
    for path in Path(unchecked.staging).rglob("part-1"):
        os.utime(path, (1000, 1000))
    asked: dict[str, float] = {}

    def claim(run_id: str, changed: float) -> AbstractContextManager[bool]:
        asked[run_id] = changed
        return nullcontext(enter_result=run_id != "living")

    sweep_staging(f"{output}/", claim)
    assert is_whole(planned)
    assert is_gone(unchecked)
    assert not Path(unchecked.staging).exists()
    assert len(list(Path(living.staging).rglob("part-1"))) == len(FILES)
    assert asked.keys() == {"planned", "unchecked", "living"}
    assert asked["unchecked"] == 1000 < asked["living"]


def test_an_output_without_runs_is_swept_too(tmp_path: Path) -> None:
    """A sweep of an output without runs asks about no run and does not fail."""
    sweep_staging(str(tmp_path / "new"), lambda *_: pytest.fail("asked"))
