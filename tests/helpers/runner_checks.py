"""A script that prints a table of checks and runners from the tests' results: `make runners`.

It reads the JUnit XML that `make test-all` and `make flink-test` leave in `.reports/`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import parse

RUNNERS: Final = ("local", "prism", "portable", "flink", "dataflow")

CHECKS: Final = {
    "tables equal those of the local runner, cell by cell": {
        "local": "test_conservation.test_the_way_a_run_is_carried_out_changes_no_row",
        "prism": "test_prism.test_prism_gives_the_same_tables",
        "portable": "test_portable.test_where_it_runs_changes_nothing_in_the_tables",
        "flink": "test_flink_runs.test_the_local_model_gives_the_same_tables",
        "dataflow": "test_dataflow.test_a_run_is_committed_in_the_bucket",
    },
    "local model over photographs": {
        "local": "test_annotate_run.test_faces_have_their_points",
        "portable": "test_portable.test_the_local_model_sees_the_same_faces_there",
        "flink": "test_flink_runs.test_the_local_model_gives_the_same_tables",
    },
    "the rate holds over all workers": {
        "local": "test_many_workers.test_four_workers_keep_one_rate",
        "flink": "test_flink_runs.test_the_rate_holds_over_all_workers",
    },
    "the budget holds over all workers": {"local": "test_many_workers.test_four_workers_spend_one_budget"},
    "a second run makes no call": {
        "local": "test_api_run.test_a_second_run_asks_only_for_what_may_go_well",
        "portable": "test_portable.test_the_token_is_the_workers_own",
        "dataflow": "test_dataflow.test_a_second_run_is_answered_by_the_journal",
    },
    "a missing token is reported, nothing of the run is visible": {
        "portable": "test_portable.test_a_token_that_workers_do_not_have_is_told",
        "flink": "test_flink_runs.test_a_token_that_workers_do_not_have_is_told",
        "dataflow": "test_dataflow.test_a_token_that_workers_cannot_read_is_told",
    },
    "detach, status, finalize": {
        "portable": "test_portable.test_a_detached_run_is_found_again",
        "flink": "test_flink_ends.test_a_detached_run_is_cancelled_and_run_again",
        "dataflow": "test_dataflow.test_a_detached_run_is_found_again",
    },
    "the counts of a run are shown": {
        "local": "test_watched_run.test_the_metrics_are_those_of_the_tables",
        "prism": "test_portable.test_a_run_can_be_watched",
        "portable": "test_portable.test_a_detached_run_is_found_again",
        "flink": "test_flink_runs.test_the_rate_holds_over_all_workers",
        "dataflow": "test_dataflow.test_the_counts_of_a_job_are_shown",
    },
    "cancelled cleanly": {
        "local": "test_interrupts.test_one_signal_ends_a_run_in_order",
        "portable": "test_portable.test_ctrl_c_while_waiting_cancels_the_job",
        "flink": "test_flink_ends.test_sigterm_while_waiting_cancels_the_job",
        "dataflow": "test_dataflow.test_a_job_is_cancelled",
    },
    "killed in the middle, the next or the same run continues": {
        "local": "test_interrupts.test_a_killed_run_is_swept_by_the_next",
        "flink": "test_flink_ends.test_a_killed_task_manager_costs_seconds",
    },
    "an engine that does not answer or dies is reported": {
        "portable": "test_portable.test_an_engine_that_dies_is_given_up_on",
        "flink": "test_flink_1_19.test_a_master_that_dies_is_given_up_on",
        "dataflow": "test_dataflow.test_a_service_that_is_away_is_told",
    },
}
"""Check -> runner -> the test that shows it, as `module.function`."""


def outcomes(reports: Iterable[Path]) -> dict[str, str]:
    """Read each test's outcome over its parameters: `failed` wins over `passed`, `passed` over `skipped`."""
    found: dict[str, str] = {}
    for report in reports:
        for case in parse(report).iter("testcase"):  # noqa: S314 - our own file
            module = case.attrib["classname"].rpartition(".")[2]
            name = f"{module}.{case.attrib['name'].partition('[')[0]}"
            told = {child.tag for child in case}
            outcome = (
                "failed" if told & {"failure", "error"} else "skipped" if "skipped" in told else "passed"
            )
            found[name] = min(found.get(name, outcome), outcome)  # failed < passed < skipped
    return found


def main(reports: Iterable[Path]) -> None:
    """Print the table in Markdown; `-`: there is no such test, `not run`: no report has the test."""
    found = outcomes(reports)
    print(f"| check | {' | '.join(RUNNERS)} |")
    print(f"|---|{'---|' * len(RUNNERS)}")
    for check, tests in CHECKS.items():
        cells = (found.get(tests[runner], "not run") if runner in tests else "-" for runner in RUNNERS)
        print(f"| {check} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sorted(Path(sys.argv[1]).glob("*.xml")))
