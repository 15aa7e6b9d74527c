"""Turn the text of a flag into a checked value; each error names the value and the rule."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from hashlib import blake2s
from pathlib import Path
from time import time_ns
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.api.pacer import LARGEST_WINDOW, MOST_PER_S


def new_run_id(manifest: Sequence[str]) -> str:
    """Name a run after the UTC time, with six hex digits since two runs may start in the same second.

    The names sort by time: `20261123T034527Z-5b96d1`.
    """
    digest = blake2s(f"{manifest} {os.getpid()} {time_ns()}".encode(), digest_size=3).hexdigest()
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}"


Runner = Literal["local", "flink", "dataflow", "portable", "prism"]
RUNNERS: Final[tuple[Runner, ...]] = get_args(Runner)
MOST_WORKERS: Final = 256
LEAST_PER_S: Final = 0.001
_LOCAL_RUNNERS: Final = ("direct", "fnapi", "bundlebased", "switchingdirect")
"""Beam's names for runners on this machine, without the ending `Runner`."""
_REFUSED_RUNNERS: Final = {
    "dask": "Beam's DaskRunner processes every element twice and reports success; use 'local' or 'flink'",
    "interactive": "Beam's InteractiveRunner is for notebooks; use 'local'",
    "spark": "submit to Spark with --runner portable and the job service of Beam's Spark runner",
}
ALL_RUNS: Final = "all"
_NOT_RUN_IDS: Final = {ALL_RUNS: "every run", "latest": "the last run"}
RETRYABLE: Final = "retryable"
_LONGEST_S: Final = 3650 * 86400
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def path(text: str) -> str:
    """Refuse an empty path, as from an unset shell variable: as an output it would mean the root folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a path; '.' means this folder")
    return text


def full_path(text: str) -> str:
    """Make a local path absolute: a replay that inherits it may run in another folder."""
    return path(text) if "://" in text else str(Path(path(text)).absolute())


def chosen_run_id(text: str) -> str:
    """Check the name of a new run; `all` and `latest` have a meaning for --run, so they are not allowed."""
    if text in _NOT_RUN_IDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} means {_NOT_RUN_IDS[text]} in 'facebeam replay': choose another name"
        )
    return run_id(text)


def run_id(text: str) -> str:
    """Check the name of a run, which is also the name of a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid run id: it has 1 to 100 letters, digits, '.', '_' or '-', and "
            "begins with a letter or digit"
        )
    return text


def cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def models(text: str) -> int | None:
    """Parse a number of local models; None for `auto`, which depends on the cores of the engine."""
    return None if text == "auto" else _whole(text, MOST_WORKERS, "neither 'auto' nor")


def workers(text: str) -> int:
    """Parse a number of workers; `auto` means one per CPU core."""
    return cores() if text == "auto" else _whole(text, MOST_WORKERS, "neither 'auto' nor")


def window(text: str) -> int | None:
    """Parse a number of calls in flight; None for `auto`, as many as rate and latency need."""
    return None if text == "auto" else _whole(text, LARGEST_WINDOW, "neither 'auto' nor")


def count(text: str) -> int:
    """Parse a number of calls or rows."""
    return _whole(text, 10**12)


def connections(text: str) -> int:
    """Parse a number of connections."""
    return _whole(text, LARGEST_WINDOW)


def shards(text: str) -> int:
    """Parse a number of shards."""
    return _whole(text, MOST_WORKERS)


def runner(text: str) -> Runner:
    """Parse the name of an engine, ours or Beam's (`FlinkRunner`), in upper or lower case.

    The error for another name says why it is refused.
    """
    plain = text.lower().rpartition(".")[2].removesuffix("runner")
    for name in RUNNERS:
        if plain == name or (name == "local" and plain in _LOCAL_RUNNERS):
            return name
    reason = _REFUSED_RUNNERS.get(plain, f"choose from {', '.join(RUNNERS)}")
    raise argparse.ArgumentTypeError(f"{text!r}: {reason}")


def host_port(text: str) -> str:
    """Parse the address of a server, host and port, without a scheme."""
    host, _, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]", host) or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as flink.internal:8081")
    return f"{host}:{port}"


def bucket_path(text: str) -> str:
    """Check a folder on Google Cloud Storage."""
    if not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder such as gs://bucket/temp")
    return text.rstrip("/")


def umask(text: str) -> int:
    """Parse a mask of file rights, in octal digits."""
    if not re.fullmatch("0?[0-7]{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a mask of octal digits, such as 077 or 022")
    return int(text, 8)


def share(text: str) -> float:
    """Parse a share from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a share from 0 to 1")


def credit(text: str) -> float:
    """Parse an amount of credits."""
    return _number(text, lambda value: 0 < value < float("inf"), "an amount of credits above 0")


def rate(text: str) -> float | None:
    """Parse a number of calls per second; None for `unlimited`."""
    if text == "unlimited":
        return None
    rule = f"calls per second, {LEAST_PER_S} to {MOST_PER_S:.0f}"
    return _number(text, lambda value: LEAST_PER_S <= value <= MOST_PER_S, rule)


def duration_s(text: str) -> float:
    """Parse a length of time, `90s`, `45m`, `5h` or `30d`, into seconds."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    seconds = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a length of time such as 90s, 45m, 5h or 30d, at most ten years"
        )
    return float(seconds)


def time_of_day(text: str) -> datetime:
    """Parse `HH:MM`, local time of this machine: give the next such moment, in UTC."""
    try:
        asked = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the machine's own zone is added below
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day such as 06:00") from None
    now = datetime.now().astimezone()
    today = datetime.combine(now.date(), asked).astimezone()
    tomorrow = datetime.combine(now.date() + timedelta(days=1), asked).astimezone()
    return (today if today > now else tomorrow).astimezone(UTC)


def base_url(text: str) -> str:
    """Check the address of a service, and remove a slash at its end."""
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", text) or not _has_host_and_port(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as https://api.acedata.cloud")
    address = text.rstrip("/")
    if address.endswith("/face/analyze"):
        cure = address.removesuffix("/face/analyze")
        raise argparse.ArgumentTypeError(f"{text!r} ends with a path that facebeam adds itself: give {cure}")
    return address


def web_url(text: str) -> str:
    """Check a URL to post to."""
    if not re.fullmatch(r"https?://[^\s]+", text) or not _has_host_and_port(text):
        raise argparse.ArgumentTypeError("this is not a URL such as https://hooks.example.com/facebeam")
    return text


def model_version(text: str) -> str:
    """Check the version of the service's model."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a model version: give 3.0, or leave out the flag")
    return text


def codes(text: str) -> tuple[str, ...]:
    """Parse error codes, or the outcomes `ok` and `no_face`, separated by commas."""
    known = ("ok", "no_face", *ErrorCode)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            close = get_close_matches(name, known)
            cure = f"did you mean {' or '.join(close)}?" if close else f"use one of {', '.join(known)}"
            raise argparse.ArgumentTypeError(f"{name!r} is not an error code; {cure}")
    return names


def replay_codes(text: str) -> tuple[str, ...]:
    """Parse codes as `codes` does; `retryable` stands for all codes after which a replay may succeed."""
    retryable = ",".join(code for code in ErrorCode if code.is_retryable)
    return codes(",".join(retryable if name.strip() == RETRYABLE else name for name in text.split(",")))


def _has_host_and_port(url: str) -> bool:
    """Tell whether a URL has a host, and either no port or a valid one."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number or over 65535; an open bracket
        return False


def _whole(text: str, most: int, is_not: str = "not") -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is {is_not} a number from 1 to {most}")
    return int(text)


def _number(text: str, is_right: Callable[[float], bool], rule: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not is_right(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {rule}")
    return value
