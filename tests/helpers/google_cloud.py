"""Stand-ins for Google's services on this machine, and the console script that uses them."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.helpers.api_console import VARIABLE
from tests.helpers.console import Finished
from tests.helpers.dataflow_service import DataflowService
from tests.helpers.object_store import BUCKET, ObjectStore
from tests.helpers.worker_pool import WORKER

IMAGE = "europe-west1-docker.pkg.dev/a-project/images/facebeam:0.1.0"
PLACE = {"--project": "a-project", "--region": "europe-west1", "--image": IMAGE}
_WITHIN_S = 300


@dataclass(frozen=True)
class Cloud:
    """An object store with one bucket, and a Dataflow service.

    Args:
        store: the object store.
        service: Dataflow's stand-in.
        account: the key file of a service account.
        token: the submitter's value of the API token's variable; workers have another value.
    """

    store: ObjectStore
    service: DataflowService
    account: Path
    token: str

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables by which Google's clients find the stand-ins."""
        return {
            "STORAGE_EMULATOR_HOST": self.store.url,
            "NO_GCE_CHECK": "true",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.account),
        }

    def with_service(self, service: DataflowService) -> Self:
        """Give the same cloud with another Dataflow service."""
        return replace(self, service=service)

    def facebeam(self, *arguments: object) -> Finished:
        """Run the console script of the workers' environment, which has Google's clients, to its end."""
        return subprocess.run(
            [WORKER / "bin/facebeam", *map(str, arguments)],
            env={**os.environ, **self.env, VARIABLE: self.token},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )

    def annotate(
        self, manifest: str, output: str, *flags: object, place: Mapping[str, str] = PLACE
    ) -> Finished:
        """Run `facebeam annotate` on Dataflow to its end; any share of failures is allowed."""
        there = {"--temp-location": f"gs://{BUCKET}/temp", **place}
        chosen = [text for each in there.items() for text in each]
        where = ("--manifest", manifest, "--output", output, "--dataflow-endpoint", self.service.endpoint)
        return self.facebeam(
            "annotate", "--runner", "dataflow", *chosen, *where, "--max-failure-share", 1, *flags
        )
