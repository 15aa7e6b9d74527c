"""Stand-ins for Google's and Amazon's object stores, as processes in an environment of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.helpers.console import ROOT
from tests.helpers.processes import free_port, serving

EMULATOR = ROOT / ".emulator"
"""The emulator's environment, which `make .emulator/ready` makes."""
BUCKET = "annot"
_TIMEOUT_S = 20


@dataclass(frozen=True)
class ObjectStore:
    """An object store with one bucket, `BUCKET`, which tests reach by HTTP."""

    url: str

    def put(self, name: str, content: bytes | str) -> str:
        """Write an object; give its gs:// path."""
        target = f"{self.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
        content = content.encode() if isinstance(content, str) else content
        headers = {"Content-Type": "application/octet-stream"}
        requests.post(target, content, headers=headers, timeout=_TIMEOUT_S).raise_for_status()
        return f"gs://{BUCKET}/{name}"

    def read(self, path: str) -> bytes:
        """Read an object by its gs:// path."""
        name = quote(path.removeprefix(f"gs://{BUCKET}/"), safe="")
        answer = requests.get(
            f"{self.url}/storage/v1/b/{BUCKET}/o/{name}", {"alt": "media"}, timeout=_TIMEOUT_S
        )
        answer.raise_for_status()
        return answer.content

    def names(self, prefix: str = "") -> list[str]:
        """List the names of all objects that begin with a prefix."""
        listing = requests.get(
            f"{self.url}/storage/v1/b/{BUCKET}/o", {"prefix": prefix}, timeout=_TIMEOUT_S
        ).json()
        return sorted(item["name"] for item in listing.get("items", []))

    def download(self, prefix: str, folder: Path) -> Path:
        """Copy all objects below a prefix into a folder."""
        for name in self.names(f"{prefix}/"):
            file = folder / name.removeprefix(f"{prefix}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.read(f"gs://{BUCKET}/{name}"))
        return folder


@contextmanager
def gcs_emulator(log: Path) -> Iterator[ObjectStore]:
    """Start an object store with one bucket; skip the test if the emulator is not installed."""
    if not (EMULATOR / "ready").exists():
        pytest.skip("no emulator of Google's object store: run 'make .emulator/ready'")
    port = free_port()
    start = ("start", "--host", "127.0.0.1", "--port", str(port), "--default-bucket", BUCKET)
    command = [EMULATOR / "bin/gcp-storage-emulator", *start, "--in-memory", "--quiet"]
    with serving(command, port, log, {"PATH": os.environ["PATH"]}) as address:
        yield ObjectStore(f"http://{address}")


@contextmanager
def s3_emulator(log: Path) -> Iterator[str]:
    """Start a stand-in for S3 with one bucket, and give its address; skip the test if it is not installed."""
    if not (EMULATOR / "ready").exists():
        pytest.skip("no emulator of S3: run 'make .emulator/ready'")
    port = free_port()
    command = [EMULATOR / "bin/moto_server", "--host", "127.0.0.1", "--port", port]
    with serving(command, port, log, {"PATH": os.environ["PATH"]}) as address:
        requests.put(f"http://{address}/{BUCKET}", timeout=_TIMEOUT_S).raise_for_status()
        yield f"http://{address}"
