"""From flags to the engine that they describe."""

from runners.cluster_options import ClusterOptions
from runners.clusters.cluster import Cluster
from schemas.errors import RunError


def choose_cluster(options: ClusterOptions, *, paced: bool = False) -> Cluster:
    """Describe the engine of `--runner`; nothing is reached. Only that engine's module is imported.

    Args:
        options: the flags that say where a run is carried out.
        paced: whether a rate holds the run to be submitted back; of a submitted run it does not matter.
    """
    match options.runner:
        case "portable":
            from runners.clusters.portable import Portable  # noqa: PLC0415 - each engine has its own libraries

            return Portable(str(options.job_endpoint), str(options.worker_pool))
        case "flink":
            from runners.clusters.flink import Flink  # noqa: PLC0415 - as above

            return Flink(
                str(options.flink_master),
                str(options.worker_pool),
                options.flink_job_server_jar,
                options.parallelism,
                paced,
            )
        case "dataflow":
            try:
                from runners.clusters.dataflow import Dataflow  # noqa: PLC0415 - as above
            except ImportError as error:
                raise RunError(
                    f"--runner dataflow needs Google's libraries ({error}): pip install 'facebeam[gcp]'"
                ) from error
            return Dataflow(options, paced)
        case _:
            raise ValueError(options.runner)
