"""The flags that choose and describe the engine of a run."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag

_FLINK: Final = ("runner", ("flink",))
_PORTABLE: Final = ("runner", ("portable",))
_PRISM: Final = ("runner", ("prism",))
_DATAFLOW: Final = ("runner", ("dataflow",))
_WITH_POOL: Final = ("runner", ("portable", "flink"))


@dataclass(frozen=True, kw_only=True)
class _Place:
    TITLE: ClassVar[str] = "where it runs"

    runner: Annotated[
        types.Runner,
        Flag(
            "local: run on this machine; flink, dataflow, portable or prism: run on that engine; Beam's "
            "names, such as DirectRunner, work too",
            types.runner,
            "R",
        ),
    ] = "local"
    shared_filesystem: Annotated[
        bool,
        Flag(
            "all workers can use the local paths of this command, under the same names",
            only_with=("runner", ("portable", "flink", "prism")),
        ),
    ] = False
    detach: Annotated[
        bool,
        Flag(
            "return as soon as the job is submitted",
            only_with=("runner", ("portable", "flink", "dataflow")),
        ),
    ] = False
    max_wait: Annotated[
        float | None,
        Flag(
            "stop waiting after this time, for example 45m or 5h; the job continues",
            types.duration_s,
            "T",
            only_with=("runner", ("portable", "flink", "dataflow", "prism")),
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class _Portable:
    TITLE: ClassVar[str] = "Flink and other portable engines"

    flink_master: Annotated[
        str | None,
        Flag(
            "address of the JobManager's REST interface",
            types.host_port,
            "HOST:PORT",
            only_with=_FLINK,
            needed_with=_FLINK,
        ),
    ] = None
    flink_job_server_jar: Annotated[
        str | None,
        Flag(
            "Beam's job server for the cluster's version of Flink",
            types.path,
            "JAR",
            default_is="Beam downloads it",
            only_with=_FLINK,
        ),
    ] = None
    parallelism: Annotated[
        int | None,
        Flag("number of slots to use", types.workers, "N", default_is="all free slots", only_with=_FLINK),
    ] = None
    job_endpoint: Annotated[
        str | None,
        Flag(
            "address of a Beam job service",
            types.host_port,
            "HOST:PORT",
            only_with=_PORTABLE,
            needed_with=_PORTABLE,
        ),
    ] = None
    worker_pool: Annotated[
        str | None,
        Flag(
            "address of Beam's worker pool, as the engine's task managers reach it",
            types.host_port,
            "HOST:PORT",
            only_with=_WITH_POOL,
            needed_with=_WITH_POOL,
        ),
    ] = None
    prism_location: Annotated[
        str | None,
        Flag("path of the Prism binary", types.path, "PATH", only_with=_PRISM, needed_with=_PRISM),
    ] = None


@dataclass(frozen=True, kw_only=True)
class _Dataflow:
    TITLE: ClassVar[str] = "Dataflow"

    project: Annotated[
        str | None,
        Flag("Google Cloud project", str, "P", only_with=_DATAFLOW, needed_with=_DATAFLOW),
    ] = None
    region: Annotated[
        str | None,
        Flag(
            "region of the job, such as europe-west1",
            str,
            "R",
            only_with=_DATAFLOW,
            needed_with=_DATAFLOW,
        ),
    ] = None
    temp_location: Annotated[
        str | None,
        Flag(
            "gs:// folder for staged and temporary files",
            types.bucket_path,
            "GS",
            only_with=_DATAFLOW,
            needed_with=_DATAFLOW,
        ),
    ] = None
    image: Annotated[
        str | None,
        Flag(
            "container image of the workers; 'make image' builds it",
            str,
            "IMAGE",
            only_with=_DATAFLOW,
            needed_with=_DATAFLOW,
        ),
    ] = None
    service_account_email: Annotated[
        str | None, Flag("service account of the workers", str, "A", only_with=_DATAFLOW)
    ] = None
    max_num_workers: Annotated[
        int | None, Flag("largest number of workers", types.workers, "N", only_with=_DATAFLOW)
    ] = None
    dataflow_endpoint: Annotated[
        str | None,
        Flag(
            "another address of Dataflow's API, for private endpoints and tests",
            types.base_url,
            "URL",
            only_with=_DATAFLOW,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(_Place, _Portable, _Dataflow):
    """The engine of a run; no option here changes the tables. `max_wait` is in seconds."""
