"""The table of runners names tests that exist, and shows the outcomes in their reports."""

import re
from pathlib import Path

import pytest

from tests.helpers.runner_checks import CHECKS, RUNNERS, main

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted({name for tests in CHECKS.values() for name in tests.values()}))
def test_a_check_is_a_test_that_exists(name: str) -> None:
    """Each test that the table names is a function in its module's file."""
    module, _, function = name.partition(".")
    (file,) = TESTS.rglob(f"{module}.py")
    assert re.search(rf"^def {function}\(", file.read_text(), re.MULTILINE)


def test_the_table_tells_what_the_reports_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell is `failed` if the test failed for one of its parameters, and `not run` if no report has it."""
    case = '<testcase classname="tests.runners.test_many_workers" name="test_four_workers_{}">{}</testcase>'
    cases = case.format("spend_one_budget[a]", "") + case.format("spend_one_budget[b]", "<failure/>")
    report = tmp_path / "test.xml"
    report.write_text(f"<testsuite>{cases}{case.format('keep_one_rate', '<skipped/>')}</testsuite>")
    main([report])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| check | {' | '.join(RUNNERS)} |"
    assert "| the budget holds over all workers | failed | - | - | - | - |" in lines
    assert "| the rate holds over all workers | skipped | - | - | not run | - |" in lines
