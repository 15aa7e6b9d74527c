"""The files of deploy/, read as data."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs would be one more locked package, for one call

from tests.helpers.console import ROOT

DEPLOY = ROOT / "deploy"
_FAKE_AIRFLOW = {
    "airflow/providers/standard/operators/bash.py": """
class BashOperator:
    def __init__(self, *, task_id, bash_command):
        print(bash_command)

    def __rshift__(self, later):
        return later
""",
    "airflow/sdk.py": """
from contextlib import nullcontext

def DAG(dag_id, **settings):
    return nullcontext()
""",
}


def text(path: str) -> str:
    """Read a file of deploy/."""
    return (DEPLOY / path).read_text()


def kubernetes(path: str) -> list[dict[str, Any]]:
    """Read the Kubernetes objects of a manifest."""
    return list(yaml.safe_load_all(text(f"kubernetes/{path}")))


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """List the containers of a Deployment or Job."""
    found: list[dict[str, Any]] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def job_command() -> list[str]:
    """Give the command of the Job; its run id is filled in, as Kubernetes does it."""
    (job,) = kubernetes("annotate-job.yaml")
    (container,) = containers(job)
    return [
        *container["command"],
        *(word.replace("$(RUN_ID)", "facebeam-x7k2p") for word in container["args"]),
    ]


def cron_command() -> list[str]:
    """Give the command of the cron line; its date is filled in, as cron and the shell do it."""
    *_, line = text("cron/facebeam.cron").strip().splitlines()
    command = line.split(maxsplit=6)[6].replace(r"\%", "%")
    return shlex.split(re.sub(r"\$\(date \+%Y%m%d\)", "20261123", command))


def systemd_command() -> list[str]:
    """Give the command of the service, with the folder of its credentials filled in."""
    (line,) = re.findall("^ExecStart=(.*)$", text("systemd/facebeam.service"), re.MULTILINE)
    return shlex.split(line.replace("%d", "/run/credentials/facebeam.service"))


def airflow_commands(folder: Path) -> list[list[str]]:
    """Load the DAG with a fake Airflow, written into a folder; give the command of each step of one night."""
    for name, code in _FAKE_AIRFLOW.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)
    dag = [sys.executable, str(DEPLOY / "airflow/facebeam_nightly.py")]
    printed = subprocess.run(dag, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True)
    return [shlex.split(line.replace("{{ ds_nodash }}", "20261123")) for line in printed.stdout.splitlines()]
