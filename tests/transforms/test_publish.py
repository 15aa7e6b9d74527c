"""A checked run is seen whole or not at all, wherever its process dies."""

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import pytest

from schemas.errors import RunError
from schemas.layout import Layout
from transforms.publish import Plan, finish, publish, resume, sweep_staging

KILLED = 9
FILES = ("faces", "images", "dead_letters/error_code=timeout")
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["transforms.publish", "pytest"])  # or each process imports them: 2 s
_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}
_ANYWHERE = {"os.remove", "os.rmdir"}  # names within a folder, while it is deleted: no path


def checked_run(layout: Layout) -> Plan:
    """Stage a file of each table, as a run has them once its counts are checked."""
    moves = []
    for table in FILES:
        staged = Path(layout.staged(table, "staged"))
        staged.parent.mkdir(parents=True)
        staged.write_text(table)
        moves.append((str(staged), layout.published(table, name="part-00000")))
    return Plan(moves=moves, record={"run_id": layout.run_id})


def visible(layout: Layout) -> list[str]:
    """Tell of which files of a run a reader sees the whole content."""
    return [
        table
        for table in FILES
        if (path := Path(layout.published(table, name="part-00000"))).is_file() and path.read_text() == table
    ]


def is_whole(layout: Layout) -> bool:
    """Tell whether a run is committed, and see that it is whole then."""
    if not Path(layout.success).exists():
        return False
    assert visible(layout) == list(FILES)
    assert json.loads(Path(layout.run_json).read_text()) == {"run_id": layout.run_id}
    return True


def is_gone(layout: Layout) -> bool:
    """Tell whether nothing of a run is left but an empty folder or an unfinished record."""
    return not visible(layout) and not Path(layout.run_json).exists() and not Path(layout.success).exists()


def die_before(step: int, folder: str) -> None:
    """Let this process die before its n-th operation on a file in a folder, counted from 0."""
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
    """Be a process that publishes a run, and dies on the way."""
    die_before(step, layout.output)
    publish(layout, plan)


def resume_until(step: int, layout: Layout) -> None:
    """Be a process that takes up a run, and dies on the way."""
    die_before(step, layout.output)
    resume(layout)


def survives(work: object, *arguments: object) -> bool:
    """Do work in a process of its own; tell whether it came to its end."""
    process = _PROCESSES.Process(target=work, args=arguments)  # type: ignore[arg-type]  # any function of ours
    process.start()
    process.join()
    assert process.exitcode in {0, KILLED}
    return process.exitcode == 0


def runs(folder: Path) -> Iterator[Layout]:
    """Give runs without end, each in an output of its own."""
    return (Layout(str(folder / str(number)), "r1") for number in count())


def test_a_checked_run_becomes_visible(tmp_path: Path) -> None:
    """Expect all files, the record, the mark of success, and an empty staging folder."""
    layout = Layout(str(tmp_path), "r1")
    publish(layout, checked_run(layout))
    assert is_whole(layout)
    assert not Path(layout.staging).exists()


def test_killed_before_any_step_and_taken_up(tmp_path: Path) -> None:
    """Expect the run to be whole as soon as it looks so; taken up, it is whole or without a trace."""
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
    """Expect each process that takes up a planned run to go on where the last one died, to the end."""
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


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_move_that_fails_can_be_made_up_for(tmp_path: Path, number: int) -> None:
    """Expect an error and no mark of success while a folder is in a file's way, and the whole run after."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    obstacle = Path(plan["moves"][number][1])
    obstacle.mkdir(parents=True)
    with pytest.raises(RunError, match=f"cannot publish {obstacle}"):
        publish(layout, plan)
    assert not is_whole(layout)
    assert not Path(layout.run_json).exists()
    obstacle.rmdir()
    assert resume(layout)
    assert is_whole(layout)


def test_a_file_that_is_nowhere_ends_the_run(tmp_path: Path) -> None:
    """Expect an error with the cure, and no mark of success, when a staged file has vanished."""
    layout = Layout(str(tmp_path), "r1")
    plan = checked_run(layout)
    lost = Path(plan["moves"][1][0])
    lost.unlink()
    with pytest.raises(RunError, match=f"{lost} is gone .* delete {layout.staging} and run again"):
        publish(layout, plan)
    assert not is_whole(layout)
    with pytest.raises(RunError, match="is gone"):
        finish(layout)


def test_an_unchecked_run_leaves_nothing(tmp_path: Path) -> None:
    """Expect what was staged without a plan to be deleted, and a run that never was to be no error."""
    layout = Layout(str(tmp_path), "r1")
    checked_run(layout)
    assert not resume(layout)
    assert not Path(layout.staging).exists()
    assert not resume(layout)
    assert is_gone(layout)


@pytest.mark.parametrize("name", ["out", "out[1]*", "a b", "ü"])
def test_the_sweep_resumes_dead_runs_only(tmp_path: Path, name: str) -> None:
    """Expect dead runs to be finished or deleted, the living to be left, each told of by its age."""
    output = str(tmp_path / name)
    planned, unchecked, living = (Layout(output, run_id) for run_id in ("planned", "unchecked", "living"))
    obstacle = Path(planned.published(FILES[0], name="part-00000"))
    obstacle.mkdir(parents=True)
    with pytest.raises(RunError):
        publish(planned, checked_run(planned))
    obstacle.rmdir()
    checked_run(unchecked)
    checked_run(living)
    for path in Path(unchecked.staging).rglob("staged"):
        os.utime(path, (1000, 1000))
    asked: dict[str, float] = {}

    def is_dead(run_id: str, changed: float) -> bool:
        asked[run_id] = changed
        return run_id != "living"

    sweep_staging(f"{output}/", is_dead)
    assert is_whole(planned)
    assert is_gone(unchecked)
    assert not Path(unchecked.staging).exists()
    assert len(list(Path(living.staging).rglob("staged"))) == len(FILES)
    assert asked.keys() == {"planned", "unchecked", "living"}
    assert asked["unchecked"] == 1000 < asked["living"]


def test_an_output_without_runs_is_swept_too(tmp_path: Path) -> None:
    """Expect nothing to be asked and nothing to fail where no run ever was."""
    sweep_staging(str(tmp_path / "new"), lambda *_: pytest.fail("asked"))
