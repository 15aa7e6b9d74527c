"""Paths of a run's files under `--output`."""

from dataclasses import dataclass

from facebeam.schemas.tables import TABLES

__all__ = ["Layout"]

RUNS = "_runs"
STAGING = "_staging"
NO_CODE = "none"
"""Name of the error code folder in an empty dead letter table. pandas fails on Hive's own name for null."""


@dataclass(frozen=True)
class Layout:
    """The paths of one run: `output` is a folder on any file system."""

    output: str
    run_id: str

    @property
    def staging(self) -> str:
        """The folder of files that are not committed yet."""
        return self._below(STAGING, self.run_id)

    @property
    def plan(self) -> str:
        """The list of files to publish. Once it exists, a run can only be completed, not undone."""
        return self._below(STAGING, self.run_id, "plan.json")

    @property
    def rows(self) -> str:
        """The folder of the packed manifest rows, from which workers read the rows of their shards."""
        return self._below(STAGING, self.run_id, "rows")

    @property
    def leases(self) -> str:
        """The folder of the files that record which worker processes which shard."""
        return self._below(STAGING, self.run_id, "leases")

    @property
    def first_try(self) -> str:
        """The file with the run's name in the journal; the first try of the run writes it."""
        return self._below(RUNS, self.run_id, "first_try.json")

    @property
    def journal(self) -> str:
        """The folder of stored answers, shared by all runs."""
        return self._below("responses")

    @property
    def records(self) -> str:
        """The folder of the run's record, its lock and `_SUCCESS`."""
        return self._below(RUNS, self.run_id)

    @property
    def run_json(self) -> str:
        """The run's record: counts, files, versions, options."""
        return self._below(RUNS, self.run_id, "run.json")

    @property
    def success(self) -> str:
        """The file that marks the run as committed; it is written last."""
        return self._below(RUNS, self.run_id, "_SUCCESS")

    @property
    def lock(self) -> str:
        """The file that the run's process locks, on file systems with locks."""
        return self._below(RUNS, self.run_id, "lock")

    @property
    def lease(self) -> str:
        """The file that the run's process renews, on file systems without locks."""
        return self._below(RUNS, self.run_id, "lease.json")

    @property
    def job(self) -> str:
        """The record of the run's job on a cluster; it is deleted when the run is over."""
        return self._below(RUNS, self.run_id, "job.json")

    @property
    def no_face_manifest(self) -> str:
        """The rows of this run that ended without a face, for a replay."""
        return self._below(RUNS, self.run_id, "no_face.parquet")

    @property
    def report(self) -> str:
        """The page that shows this run."""
        return self._below(RUNS, self.run_id, "report.html")

    def staged(self, table: str, below: str = "") -> str:
        """A table's folder in the staging folder, or a file below it: `error_code=timeout/part-1.parquet`."""
        return self._below(STAGING, self.run_id, table, below)

    def published(self, table: str, below: str = "") -> str:
        """A table's folder of this run after the commit, or a file below it."""
        return self._below(table, f"run={self.run_id}", below)

    def folder(self, table: str) -> str:
        """A table's folder with all runs; raises KeyError if there is no such table."""
        if table not in TABLES:
            raise KeyError(table)
        return self._below(table)

    def _below(self, *parts: str) -> str:
        return "/".join([self.output.rstrip("/"), *filter(None, parts)])
