"""The flags that say where a run is carried out."""

import argparse
from dataclasses import dataclass, fields
from typing import Any, Final

from runners import option_types as types
from runners.strict_parser import StrictParser

_NEEDED: Final = {
    "portable": ("job_endpoint", "worker_pool"),
    "flink": ("flink_master", "worker_pool"),
    "dataflow": ("project", "region", "temp_location", "image"),
    "prism": ("prism_location",),
}
_ONLY_WITH: Final = {
    "job_endpoint": ("portable",),
    "worker_pool": ("portable", "flink"),
    "flink_master": ("flink",),
    "flink_job_server_jar": ("flink",),
    "parallelism": ("flink",),
    "prism_location": ("prism",),
    "project": ("dataflow",),
    "region": ("dataflow",),
    "temp_location": ("dataflow",),
    "image": ("dataflow",),
    "service_account_email": ("dataflow",),
    "max_num_workers": ("dataflow",),
    "dataflow_endpoint": ("dataflow",),
    "detach": ("portable", "flink", "dataflow"),
    "max_wait": ("portable", "flink", "dataflow", "prism"),
    "shared_filesystem": ("portable", "flink", "prism"),
}


@dataclass(frozen=True)
class ClusterOptions:
    """Where a run is carried out; nothing here changes its tables."""

    runner: types.Runner
    job_endpoint: str | None = None
    worker_pool: str | None = None
    flink_master: str | None = None
    flink_job_server_jar: str | None = None
    parallelism: int | None = None
    prism_location: str | None = None
    project: str | None = None
    region: str | None = None
    temp_location: str | None = None
    image: str | None = None
    service_account_email: str | None = None
    max_num_workers: int | None = None
    dataflow_endpoint: str | None = None
    shared_filesystem: bool = False
    detach: bool = False
    max_wait: float | None = None
    """Seconds."""


def cluster_options(parser: StrictParser, values: dict[str, Any]) -> ClusterOptions:
    """Take the cluster's flags out of all that were parsed, and see that they go with the runner."""
    chosen = {field.name: values.pop(field.name) for field in fields(ClusterOptions)}
    runner = chosen["runner"]
    for name in _NEEDED.get(runner, ()):
        if not chosen[name]:
            parser.error(f"--runner {runner} needs {_flag(name)}")
    for name, runners in _ONLY_WITH.items():
        if chosen[name] and runner not in runners:
            parser.error(f"{_flag(name)} goes with --runner {' or '.join(runners)} only")
    return ClusterOptions(**chosen)


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where a run is carried out."""
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--runner",
        type=types.runner,
        default="local",
        metavar="R",
        help="local: this machine; flink, dataflow, portable, prism: submit to that engine (%(default)s)",
    )
    group.add_argument(
        "--shards",
        type=types.shards,
        metavar="N",
        help="groups of images that workers take side by side; each has its part of rate and budget "
        "(default: 1 for the API and on this machine, else by the manifest's size)",
    )
    group.add_argument(
        "--shared-filesystem",
        action="store_true",
        help="every worker sees the local paths given here, under the same names",
    )
    group.add_argument("--detach", action="store_true", help="return when the job is submitted")
    group.add_argument(
        "--max-wait",
        type=types.duration_s,
        metavar="T",
        help="stop waiting after 45m, 5h, ...; the job goes on",
    )
    _add_flink_flags(parser)
    _add_dataflow_flags(parser)


def _add_flink_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Flink and other portable engines")
    group.add_argument(
        "--flink-master", type=types.host_port, metavar="HOST:PORT", help="the JobManager's REST address"
    )
    group.add_argument(
        "--flink-job-server-jar",
        type=types.path,
        metavar="JAR",
        help="Beam's job server for that version of Flink (default: Beam downloads it)",
    )
    group.add_argument(
        "--parallelism", type=types.workers, metavar="N", help="slots to use (default: all free)"
    )
    group.add_argument(
        "--job-endpoint", type=types.host_port, metavar="HOST:PORT", help="a Beam job service (portable)"
    )
    group.add_argument(
        "--worker-pool",
        type=types.host_port,
        metavar="HOST:PORT",
        help="Beam's worker pool, as the engine's task managers reach it",
    )
    group.add_argument("--prism-location", type=types.path, metavar="PATH", help="a Prism binary (prism)")


def _add_dataflow_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Dataflow")
    group.add_argument("--project", metavar="P", help="the Google Cloud project")
    group.add_argument("--region", metavar="R", help="where the job runs, such as europe-west1")
    group.add_argument(
        "--temp-location", type=types.bucket_path, metavar="GS", help="gs:// folder for what is staged"
    )
    group.add_argument("--image", metavar="IMAGE", help="the workers' image, as 'make image' builds it")
    group.add_argument("--service-account-email", metavar="A", help="the workers' service account")
    group.add_argument("--max-num-workers", type=types.workers, metavar="N", help="workers at most")
    group.add_argument(
        "--dataflow-endpoint",
        type=types.base_url,
        metavar="URL",
        help="another address of Dataflow's API, for private endpoints and tests",
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
