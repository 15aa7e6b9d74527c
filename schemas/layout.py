"""Where a run's files lie under `--output`."""

from dataclasses import dataclass

from facebeam.schemas.tables import TABLES

__all__ = ["Layout"]

RUNS = "_runs"
STAGING = "_staging"
NO_CODE = "none"
"""The place of an empty dead letter table. Hive's own name for null would make pandas fail on the folder."""


@dataclass(frozen=True)
class Layout:
    """The paths of one run: `output` is a folder on any file system."""

    output: str
    run_id: str

    @property
    def staging(self) -> str:
        """The folder of what is not committed yet."""
        return self._below(STAGING, self.run_id)

    @property
    def plan(self) -> str:
        """The file that says what will be published: from here on a run can only be finished."""
        return self._below(STAGING, self.run_id, "plan.json")

    @property
    def leases(self) -> str:
        """The folder of the files by which workers know who has a shard."""
        return self._below(STAGING, self.run_id, "leases")

    @property
    def first_try(self) -> str:
        """The file with the name by which the journal knows the run; its first try writes it."""
        return self._below(RUNS, self.run_id, "first_try.json")

    @property
    def journal(self) -> str:
        """The folder of stored answers, shared by all runs."""
        return self._below("responses")

    @property
    def records(self) -> str:
        """The folder of the run's own record, lock and mark of success."""
        return self._below(RUNS, self.run_id)

    @property
    def run_json(self) -> str:
        """The run's own record: counts, files, versions, options."""
        return self._below(RUNS, self.run_id, "run.json")

    @property
    def success(self) -> str:
        """The mark that is written last."""
        return self._below(RUNS, self.run_id, "_SUCCESS")

    @property
    def lock(self) -> str:
        """The file that the run's process holds locked, on file systems that have locks."""
        return self._below(RUNS, self.run_id, "lock")

    @property
    def lease(self) -> str:
        """The file that the run's process renews, on file systems without locks."""
        return self._below(RUNS, self.run_id, "lease.json")

    @property
    def job(self) -> str:
        """The record of the job that was submitted to a cluster for this run, until it is over."""
        return self._below(RUNS, self.run_id, "job.json")

    @property
    def no_face_manifest(self) -> str:
        """The rows of this run that ended without a face, for a replay."""
        return self._below(RUNS, self.run_id, "no_face.parquet")

    def staged(self, table: str, below: str = "") -> str:
        """A table's folder while it is staged, or a file below it: `error_code=timeout/part-1.parquet`."""
        return self._below(STAGING, self.run_id, table, below)

    def published(self, table: str, below: str = "") -> str:
        """A table's folder of this run where readers look, or a file below it."""
        return self._below(table, f"run={self.run_id}", below)

    def folder(self, table: str) -> str:
        """A table's folder with all runs."""
        if table not in TABLES:
            raise KeyError(table)
        return self._below(table)

    def _below(self, *parts: str) -> str:
        return "/".join([self.output.rstrip("/"), *filter(None, parts)])
