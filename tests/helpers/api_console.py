"""`facebeam --source api` as a user runs it, with a made-up token that no service knows."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tests.helpers.console import Finished, facebeam
from tests.helpers.warm_process import Command, WarmProcess, running_warm

TOKEN = "canary-0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - made up
VARIABLE = "ACEDATACLOUD_API_TOKEN"
UNPACED = ("--rate", "unlimited")


def environment(token: str | None = TOKEN) -> Mapping[str, str]:
    """Give this process's environment with this token in it; without any token if it is None."""
    plain = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return plain if token is None else plain | {VARIABLE: token}


def with_token(*arguments: object, token: str | None = TOKEN, cwd: Path | None = None) -> Finished:
    """Run `facebeam` with these arguments and this token to its end."""
    return facebeam(*arguments, cwd=cwd, env=environment(token))


def annotate_by_api(base_url: str, manifest: Path, output: Path, *flags: object) -> Finished:
    """Run `facebeam annotate --source api` to its end; any share of failures is allowed."""
    return with_token("annotate", *_flags(base_url, manifest, output), "--max-failure-share", 1, *flags)


def running_by_api(
    base_url: str, manifest: Path, output: Path, *flags: object
) -> AbstractContextManager[WarmProcess]:
    """Start `facebeam annotate --source api` in its own session; kill it and its children at the end."""
    arguments = ["annotate", *map(str, (*_flags(base_url, manifest, output), *flags))]
    return running_warm(Command(arguments, environment()))


def images(count: int, first: int = 0) -> list[str]:
    """Make up URLs of images for which the service has an answer."""
    return [f"https://images.example.com/{number}.jpg" for number in range(first, first + count)]


def _flags(base_url: str, manifest: Path, output: Path) -> tuple[object, ...]:
    return ("--source", "api", "--base-url", base_url, "--manifest", manifest, "--output", output)
