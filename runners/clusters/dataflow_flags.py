"""Beam's flags for a job on Dataflow, and the names that Google accepts; pure functions."""

import re
from collections.abc import Sequence
from typing import Final

from facebeam.runners.clusters.reach import NOTHING_STAGED
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.errors import RunError

_RULES: Final = {
    "project": (r"[a-z][-a-z0-9:.]+[a-z0-9]", "a project's id (not its number or title), such as my-project"),
    "region": (r"[a-z]+-[a-z]+[0-9]{1,2}", "a region such as europe-west1 (without a zone's letter)"),
    "image": (
        r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})",
        "an image with registry, name and tag or digest, such as gcr.io/my-project/facebeam:0.1.0",
    ),
}


def check_names(options: ClusterOptions) -> None:
    """Check that project, region and image have the form that Google accepts; raises RunError if not."""
    for name, (pattern, rule) in _RULES.items():
        value = getattr(options, name)
        if not re.fullmatch(pattern, value):
            raise RunError(f"--{name} {value!r} is not {rule}")


def dataflow_flags(
    options: ClusterOptions, job_name: str, *, paced: bool, own_flags: Sequence[str] = ()
) -> list[str]:
    """Give Beam's flags for a job on Dataflow.

    Args:
        options: the flags of `--runner dataflow`.
        job_name: name of the job, which depends on the run only: Dataflow refuses a second active job with
            the same name.
        paced: whether a rate limits the run, so that additional workers would only wait.
        own_flags: the user's flags for Beam, which come after these.
    """
    return [
        "--runner=DataflowRunner",
        f"--job_name={job_name}",
        f"--labels=facebeam-run={job_name}",
        f"--project={options.project}",
        f"--region={options.region}",
        f"--temp_location={options.temp_location}/temp",
        f"--staging_location={options.temp_location}/staging",
        f"--sdk_container_image={options.image}",
        "--sdk_location=container",
        "--experiments=no_use_multiple_sdk_containers",
        NOTHING_STAGED,
        *_workers(options.max_num_workers, paced=paced),
        *([] if paced else _memory(own_flags)),
        *_service_account(options),
        *_endpoint(options),
    ]


THREADS: Final = 2
"""Shards that a worker processes in parallel, each with a model: Dataflow's default machine has two cores."""


def _workers(most: int | None, *, paced: bool) -> list[str]:
    """Give a paced run a fixed number of workers; let Dataflow choose the number for other runs."""
    if paced:
        return ["--autoscaling_algorithm=NONE", f"--num_workers={most or 1}"]
    limit = [] if most is None else [f"--max_num_workers={most}"]
    return [
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        f"--number_of_worker_harness_threads={THREADS}",
        *limit,
    ]


_MIN_RAM: Final = "2GB"
"""More than a process with two models needs: 0.5 GB, and 0.9 GB with images of 49 megapixels."""


def _memory(own_flags: Sequence[str]) -> list[str]:
    """Give the memory that a worker needs, from which Dataflow Prime chooses machines.

    It is a hint for the whole pipeline: a hint for one step puts that step into its own environment, and no
    engine fuses steps of two environments. FlexRS does not support hints.
    """
    is_flexible = any(flag.startswith("--flexrs_goal") for flag in own_flags)
    return [] if is_flexible else [f"--resource_hint=min_ram={_MIN_RAM}"]


def _service_account(options: ClusterOptions) -> list[str]:
    account = options.service_account_email
    return [] if account is None else [f"--service_account_email={account}"]


def _endpoint(options: ClusterOptions) -> list[str]:
    endpoint = options.dataflow_endpoint
    if endpoint is None:
        return []
    return [f"--dataflow_endpoint={endpoint}", *(["--no_auth"] if endpoint.startswith("http://") else [])]
