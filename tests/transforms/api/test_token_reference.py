"""The places where a token can be, and the error if it is not there."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
from apache_beam.io.localfilesystem import LocalFileSystem

from facebeam.schemas.errors import RunError
from facebeam.transforms.api.token import TokenReference

SECRET = "canary-0123456789abcdef"  # noqa: S105 - made up


def in_file(folder: Path, content: bytes) -> TokenReference:
    """Write bytes to a token file, and give the reference to it."""
    (folder / "token").write_bytes(content)
    return TokenReference(file=str(folder / "token"))


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n\n"])
def test_reads_a_file_without_white_space(content: str, tmp_path: Path) -> None:
    """White space around the token is removed, since `requests` would refuse it and print the token."""
    assert in_file(tmp_path, content.encode()).resolve().authorization() == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "content",
    [
        *(f"Bearer {SECRET}".encode(), f"{SECRET}\n{SECRET}".encode(), f"{SECRET}\x00".encode()),
        *(f"{SECRET}\x7f{SECRET}".encode(), f"{SECRET}\N{SNOWMAN}".encode(), f"\ufeff{SECRET}".encode()),
        *(SECRET.encode() + b"\xe9", SECRET.encode() * 1000),
    ],
    ids=range(8),
)
def test_refuses_what_is_no_token(content: bytes, tmp_path: Path) -> None:
    """An invalid token raises a RunError of one line with file and rule, without any part of the token."""
    reference = in_file(tmp_path, content)
    with pytest.raises(RunError, match="does not hold a valid token") as caught:
        reference.resolve()
    assert str(reference.file) in str(caught.value)
    assert "canary" not in repr(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_refuses_an_empty_file(content: bytes, tmp_path: Path) -> None:
    """An empty token file raises a RunError that says so."""
    with pytest.raises(RunError, match="is empty"):
        in_file(tmp_path, content).resolve()


def test_a_pipe_is_no_place_for_a_token(tmp_path: Path) -> None:
    """A pipe as token file raises a RunError at once.

    A pipe can be read only once, and its first reader would wait for ever.
    """
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="not a regular file"):
        TokenReference(file=str(tmp_path / "pipe")).resolve()


@pytest.mark.parametrize("path", ["missing/token", ".", "\0", "unknown://token"])
def test_names_a_file_that_cannot_be_read(path: str, tmp_path: Path) -> None:
    """A token file that cannot be read raises a RunError that names --token-file, whatever the reason."""
    reference = TokenReference(file=path if "://" in path else str(tmp_path / path))
    with pytest.raises(RunError, match=r"cannot be read .*--token-file"):
        reference.resolve()


def test_a_bucket_without_its_extra_is_named() -> None:
    """A token file in a bucket raises a RunError that names the extra to install, if it is missing."""
    with pytest.raises(RunError, match=r"gs://bucket/token: .* not installed: .*facebeam\[gcp\]"):
        TokenReference(file="gs://bucket/token").resolve()


class Shelf(LocalFileSystem):
    """A remote file system that a user has registered; its files lie on this machine."""

    @classmethod
    def scheme(cls) -> str:
        """Claim `shelf://`."""
        return "shelf"

    def open(self, path: str, *args: object, **kwargs: object) -> BinaryIO:
        """Open a file by its path here."""
        opened: BinaryIO = super().open(path.removeprefix("shelf:/"), *args, **kwargs)
        return opened


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{SECRET}\n", f"Bearer {SECRET}"),
        (SECRET * 1000, "does not hold a valid token: it is over 8 KB"),
        (None, "cannot be read (No such file or directory): check --token-file and its rights"),
    ],
)
def test_reads_a_remote_file(content: str | None, told: str, tmp_path: Path) -> None:
    """A remote token file gives its token; an error speaks of a token file, and not of an image."""
    if content is not None:
        (tmp_path / "token").write_text(content)
    reference = TokenReference(file=f"shelf:/{tmp_path}/token")
    if told.startswith("Bearer"):
        assert reference.resolve().authorization() == told
        return
    with pytest.raises(RunError, match=f"^token file {reference.file} {re.escape(told)}") as caught:
        reference.resolve()
    assert "image" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (SECRET, f"Bearer {SECRET}"),
        (f"{SECRET}\n", f"Bearer {SECRET}"),
        (None, "is not set"),
        ("", "is empty"),
    ],
)
def test_reads_the_environment(value: str | None, told: str) -> None:
    """The variable gives the token; if it is unset or empty, the error names the variable."""
    script = (
        "from facebeam.transforms.api.token import TokenReference\n"
        "from facebeam.schemas.errors import RunError\n"
        "try: print(TokenReference().resolve().authorization())\n"
        "except RunError as error: print(error)\n"
    )
    environment = {name: content for name, content in os.environ.items() if name != "ACEDATACLOUD_API_TOKEN"}
    if value is not None:
        environment["ACEDATACLOUD_API_TOKEN"] = value
    output = _run(script, environment)
    assert told in output
    assert value or "ACEDATACLOUD_API_TOKEN" in output


def test_travels_without_the_token(tmp_path: Path) -> None:
    """Pickle and repr of a reference have the token file's path, and no part of the token."""
    reference = in_file(tmp_path, SECRET.encode())
    assert pickle.loads(pickle.dumps(reference)) == reference  # noqa: S301 - our own
    assert b"canary" not in pickle.dumps(reference)
    assert "canary" not in repr(reference)


@pytest.mark.parametrize(
    "name", ["token", "projects/p", "projects/p/secrets/s/versions", "projects//secrets/s"]
)
def test_refuses_what_names_no_secret(name: str) -> None:
    """An invalid name of a secret raises a RunError that shows the valid form."""
    with pytest.raises(RunError, match="write projects/<project>/secrets/<secret>"):
        TokenReference(secret=name).resolve()


GOOGLE = {
    "api_core/exceptions.py": "class GoogleAPIError(Exception): pass",
    "auth/exceptions.py": "class GoogleAuthError(Exception): pass",
    "cloud/secretmanager.py": """
from types import SimpleNamespace
from google.api_core.exceptions import GoogleAPIError
class SecretManagerServiceClient:
    def access_secret_version(self, name):
        if "denied" in name: raise GoogleAPIError("403")
        return SimpleNamespace(payload=SimpleNamespace(data=name.encode() + b"\\n"))
""",
}
"""A stand-in for Google's client, in which the value of each secret is the secret's own name."""


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("projects/p/secrets/s", "Bearer projects/p/secrets/s/versions/latest"),
        ("projects/p/secrets/s/versions/3", "Bearer projects/p/secrets/s/versions/3"),
        ("projects/p/secrets/denied", "projects/p/secrets/denied cannot be read (GoogleAPIError)"),
    ],
)
def test_reads_a_secret(secret: str, told: str, tmp_path: Path) -> None:
    """The reference reads the named version of a secret, else the latest; an error names the secret."""
    for path, source in GOOGLE.items():
        (tmp_path / "google" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "google" / path).write_text(source)
    script = (
        f"import google\ngoogle.__path__ = [{str(tmp_path / 'google')!r}]\n"
        "from facebeam.transforms.api.token import TokenReference\n"
        "from facebeam.schemas.errors import RunError\n"
        f"try: print(TokenReference(secret={secret!r}).resolve().authorization())\n"
        "except RunError as error: print(error)\n"
    )
    assert told in _run(script, dict(os.environ))


def test_a_secret_without_the_extra_is_named() -> None:
    """A secret raises a RunError that names the extra to install, if it is missing."""
    script = (
        "import sys\nsys.modules['google.cloud'] = None\n"  # as where it is not installed
        "from facebeam.transforms.api.token import TokenReference\n"
        "from facebeam.schemas.errors import RunError\n"
        "try: TokenReference(secret='projects/p/secrets/s').resolve()\n"
        "except RunError as error: print(error)\n"
    )
    assert "pip install 'facebeam[gcp]'" in _run(script, dict(os.environ))


def _run(script: str, environment: dict[str, str]) -> str:
    """Run a script in a separate process, in the folder of the packages, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
