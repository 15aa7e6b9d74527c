"""facebeam accepts every command line of deploy/."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.dataflow.launch import our_flags
from deploy.dataflow.write_template import template
from facebeam.runners.exit_codes import COMMITTED_WITH_GAPS, WRONG_SETUP
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.options import RunOptions, parse_run, run_parser
from facebeam.runners.flags.replay_options import replay_parser
from tests.helpers.deploy_files import (
    DEPLOY,
    airflow_commands,
    cron_command,
    job_command,
    kubernetes,
    systemd_command,
    text,
)


def parsed(command: list[str]) -> RunOptions:
    """Parse a command line of deploy/ as facebeam does."""
    _, subcommand, *flags = command
    if subcommand == "replay":
        own, rest = replay_parser().parse_known_args(flags)
        flags = ["--manifest", "dead_letters.parquet", "--output", own.output, *rest]
    options = parse_run(run_parser(f"facebeam {subcommand}"), flags)
    assert options.beam_flags == ()
    return options


def parameters() -> list[dict[str, Any]]:
    """Read the template's parameters."""
    found: list[dict[str, Any]] = json.loads(text("dataflow/flex_template.json"))["metadata"]["parameters"]
    return found


def test_the_job_runs_on_flink_with_the_pool_of_each_pod() -> None:
    """The Job's flags are valid and select Flink, and a restarted pod has the same run id."""
    options = parsed(job_command())
    assert options.cluster.runner == "flink"
    assert options.run_id == "facebeam-x7k2p"


def test_the_nightly_commands_stop_in_the_morning_and_name_the_token_by_its_file() -> None:
    """The cron and systemd commands both use the API, stop at 06:00 and read the token from a file."""
    for options in (parsed(cron_command()), parsed(systemd_command())):
        assert options.source == "api"
        assert options.token_file
        assert options.stop_at
        assert (options.stop_at.astimezone().hour, options.stop_at.minute) == (6, 0)
    assert parsed(cron_command()).run_id == "nightly-20261123"


def test_cron_and_timer_start_at_the_same_time() -> None:
    """The cron line and the systemd timer both start at 22:00 every day."""
    assert "\n0 22 * * * facebeam /opt/" in text("cron/facebeam.cron")
    assert "OnCalendar=*-*-* 22:00\n" in text("systemd/facebeam.timer")


def test_the_airflow_steps_are_one_night_of_one_run(tmp_path: Path) -> None:
    """The steps plan, annotate and replay share one output; annotate and replay run under the day's name."""
    commands = airflow_commands(tmp_path)
    assert [command[1] for command in commands] == ["plan", "annotate", "replay"]
    assert [parsed(command).run_id for command in commands] == [None, "20261123", "20261123-again"]
    assert len({parsed(command).output for command in commands}) == 1


def test_a_committed_run_with_gaps_is_no_failure_that_is_tried_again() -> None:
    """systemd, Airflow and Kubernetes do not retry a run that exits with the code of a commit with gaps."""
    assert f"\nSuccessExitStatus={COMMITTED_WITH_GAPS}\n" in text("systemd/facebeam.service")
    assert f'"skip_on_exit_code": {COMMITTED_WITH_GAPS},' in text("airflow/facebeam_nightly.py")
    (job,) = kubernetes("annotate-job.yaml")
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [WRONG_SETUP, COMMITTED_WITH_GAPS]


def test_the_template_is_written_from_the_flags() -> None:
    """The template has what `python -m deploy.dataflow.write_template` writes: each flag once."""
    assert text("dataflow/flex_template.json") == template()


def test_the_template_asks_for_what_has_no_default() -> None:
    """The template requires manifest, output and image; its choices of a source are the parser's."""
    required = [parameter["name"] for parameter in parameters() if not parameter.get("isOptional")]
    assert sorted(required) == ["image", "manifest", "output"]
    (source,) = (parameter for parameter in parameters() if parameter["name"] == "source")
    flags = ["--manifest=gs://b/m.csv", "--output=gs://b/out"]
    for option in source["enumOptions"]:
        assert parse_run(run_parser(), [*flags, f"--source={option['value']}"]).source == option["value"]


def test_the_launchers_flags_become_ours_and_beams() -> None:
    """The launcher's flags become a run on Dataflow, and Beam's own flags go to Beam."""
    bucket = "gs://bucket"
    launched = [
        "--runner=DataflowRunner",
        *("--project=p", "--region=europe-west1", f"--temp_location={bucket}/temp"),
        *(f"--staging_location={bucket}/staging", f"--template_location={bucket}/staging/job_object"),
        *("--job_name=nightly", "--sdk_container_image=image:1"),
        *(f"--manifest={bucket}/m.csv", f"--output={bucket}/out", "--image=image:1", "--run_id=one"),
        *("--allow_local_files=true", "--allow_private_urls=false", "--journal="),
    ]
    options = parse_run(run_parser(), list(our_flags(launched)))
    assert (options.cluster.runner, options.cluster.temp_location) == ("dataflow", f"{bucket}/temp")
    assert (options.run_id, options.allow_local_files, options.allow_private_urls) == ("one", True, False)
    assert options.journal is None
    beam = check_beam_flags(options.beam_flags, "dataflow").get_all_options()
    assert (beam["job_name"], beam["template_location"]) == ("nightly", f"{bucket}/staging/job_object")


def test_the_launched_file_says_what_is_missing() -> None:
    """The process that the launcher starts exits with 2 and names the missing flag."""
    launch = [sys.executable, str(DEPLOY / "dataflow/launch.py"), "--runner=DataflowRunner", "--project=p"]
    flags = ["--manifest=gs://bucket/m.csv", "--output=gs://bucket/out", "--region=europe-west1"]
    finished = subprocess.run([*launch, *flags], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "--runner dataflow needs --temp-location" in finished.stderr
