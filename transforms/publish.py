"""Publish a checked run: move its staged files to where readers look, the run's record last.

Renames of many files are not one step on any file system. So the plan of all of them is written first: from
then on a run can only be finished, by itself or, when its process died in between, by whoever comes next.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict, cast

from schemas.errors import RunError
from schemas.layout import STAGING, Layout
from transforms.output_files import exists, files_below, move, read_json, remove, write_json, writing


class Plan(TypedDict):
    """What is left to do when a run is checked."""

    moves: Sequence[tuple[str, str]]
    record: Mapping[str, object]


def publish(layout: Layout, plan: Plan) -> None:
    """Make a checked run visible: write the plan, then carry it out."""
    write_json(layout.plan, cast("Mapping[str, object]", plan))
    finish(layout)


def finish(layout: Layout) -> None:
    """Carry out a run's plan, from wherever an earlier process left it.

    Raises:
        RunError: a file of the plan is neither staged nor published.
    """
    plan = cast("Plan", read_json(layout.plan))
    for staged, published in plan["moves"]:
        if exists(staged):
            move(staged, published)
        elif not exists(published):
            raise RunError(f"{staged} is gone before it was published; delete {layout.staging} and run again")
    write_json(layout.run_json, plan["record"])
    with writing(layout.success):
        pass
    remove(layout.staging)


def resume(layout: Layout) -> bool:
    """Take up a run that nobody works on: finish it if it was checked, else delete what it staged.

    Returns:
        Whether the run is committed now.
    """
    if exists(layout.plan):
        finish(layout)
        return True
    remove(layout.staging)
    return False


def sweep_staging(output: str, is_dead: Callable[[str, float], bool]) -> None:
    """Resume every run that died.

    Args:
        output: the folder of all runs.
        is_dead: told a run id and the time of its last change (Unix seconds), whether nobody works on it.
    """
    for run_id, changed in _staged_runs(output).items():
        if is_dead(run_id, changed):
            resume(Layout(output, run_id))


def _staged_runs(output: str) -> dict[str, float]:
    """Give run ids with staged files -> time of the last change among them."""
    last: dict[str, float] = {}
    for path, changed in files_below(f"{output.rstrip('/')}/{STAGING}").items():
        run_id = path.rpartition(f"/{STAGING}/")[2].split("/")[0]
        last[run_id] = max(changed, last.get(run_id, 0.0))
    return last
