"""How the text of a flag becomes a checked value; each error names the value and the rule."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from pathlib import Path
from time import time_ns
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from facebeam.schemas.errors import ErrorCode
from facebeam.transforms.api.pacer import LARGEST_WINDOW, MOST_PER_S


def new_run_id(manifest: Sequence[str]) -> str:
    """Name a run by UTC time to the second and six hex digits that tell runs of one second apart.

    Sorts by time: `20261123T034527Z-5b96d1`.
    """
    digest = blake2s(f"{manifest} {os.getpid()} {time_ns()}".encode(), digest_size=3).hexdigest()
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}"


Runner = Literal["local", "flink", "dataflow", "portable", "prism"]
RUNNERS: Final[tuple[Runner, ...]] = get_args(Runner)
MOST_WORKERS: Final = 256
LEAST_PER_S: Final = 0.001
_LOCAL_RUNNERS: Final = ("direct", "fnapi", "bundlebased", "switchingdirect")
"""Beam's names for runners of this machine, without `Runner`."""
_REFUSED_RUNNERS: Final = {
    "dask": "Beam's DaskRunner processes every element twice and reports success; use 'local' or 'flink'",
    "interactive": "Beam's InteractiveRunner is for notebooks; use 'local'",
    "spark": "submit to Spark with --runner portable and the job service of Beam's Spark runner",
}
ALL_RUNS: Final = "all"
_LONGEST_S: Final = 3650 * 86400
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def path(text: str) -> str:
    """Refuse what a shell makes of a variable that is not set: as an output it would mean the root folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no path; '.' is this folder")
    return text


def full_path(text: str) -> str:
    """Spell a local path out: whoever takes it over from the run's record may work in another folder."""
    return path(text) if "://" in text else str(Path(path(text)).absolute())


def chosen_run_id(text: str) -> str:
    """Take the name of a run that can be replayed: `all` means every run there."""
    if text == ALL_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} means every run to 'facebeam replay': choose another")
    return run_id(text)


def run_id(text: str) -> str:
    """Take a name that can be a folder's."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot name a folder: 1 to 100 letters, digits, '.', '_' or '-', no mark first"
        )
    return text


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def models(text: str) -> int | None:
    """Take a number of local models; `auto` is None: what the place has cores for."""
    return None if text == "auto" else _whole(text, MOST_WORKERS, "neither 'auto' nor")


def workers(text: str) -> int:
    """Take a number of workers; `auto` is one a core."""
    return cores() if text == "auto" else _whole(text, MOST_WORKERS, "neither 'auto' nor")


def window(text: str) -> int | None:
    """Take a number of requests in flight; `auto` is None: as many as rate and latency need."""
    return None if text == "auto" else _whole(text, LARGEST_WINDOW, "neither 'auto' nor")


def count(text: str) -> int:
    """Take a number of calls or rows."""
    return _whole(text, 10**12)


def connections(text: str) -> int:
    """Take a number of connections."""
    return _whole(text, LARGEST_WINDOW)


def shards(text: str) -> int:
    """Take a number of shards."""
    return _whole(text, MOST_WORKERS)


def runner(text: str) -> Runner:
    """Take an engine by our name or by Beam's (`FlinkRunner`), in any case of letters.

    Others are refused with the reason.
    """
    plain = text.lower().rpartition(".")[2].removesuffix("runner")
    for name in RUNNERS:
        if plain == name or (name == "local" and plain in _LOCAL_RUNNERS):
            return name
    reason = _REFUSED_RUNNERS.get(plain, f"choose from {', '.join(RUNNERS)}")
    raise argparse.ArgumentTypeError(f"{text!r}: {reason}")


def host_port(text: str) -> str:
    """Take the address of a server, without a scheme."""
    host, _, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]", host) or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as flink.internal:8081")
    return f"{host}:{port}"


def bucket_path(text: str) -> str:
    """Take a folder on Google Cloud Storage."""
    if not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no folder such as gs://bucket/temp")
    return text.rstrip("/")


def umask(text: str) -> int:
    """Take a mask of file rights, in octal digits."""
    if not re.fullmatch("0?[0-7]{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a mask of octal digits, such as 077 or 022")
    return int(text, 8)


def share(text: str) -> float:
    """Take a share from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a share from 0 to 1")


def credit(text: str) -> float:
    """Take an amount of credits."""
    return _number(text, lambda value: 0 < value < float("inf"), "an amount of credits above 0")


def rate(text: str) -> float | None:
    """Take calls a second; `unlimited` is None."""
    if text == "unlimited":
        return None
    rule = f"calls a second, {LEAST_PER_S} to {MOST_PER_S:.0f}"
    return _number(text, lambda value: LEAST_PER_S <= value <= MOST_PER_S, rule)


def duration_s(text: str) -> float:
    """Take a length of time, `90s`, `45m`, `5h` or `30d`; seconds."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    seconds = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no length of time such as 90s, 45m, 5h or 30d, at most ten years"
        )
    return float(seconds)


def time_of_day(text: str) -> datetime:
    """Take the next time that a clock on this machine shows `HH:MM`; UTC."""
    try:
        asked = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the machine's own zone is added below
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of day such as 06:00") from None
    now = datetime.now().astimezone()
    today = datetime.combine(now.date(), asked).astimezone()
    tomorrow = datetime.combine(now.date() + timedelta(days=1), asked).astimezone()
    return (today if today > now else tomorrow).astimezone(UTC)


def base_url(text: str) -> str:
    """Take the address of a service, without a slash at its end."""
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", text) or not _has_host_and_port(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as https://api.acedata.cloud")
    address = text.rstrip("/")
    if address.endswith("/face/analyze"):
        cure = address.removesuffix("/face/analyze")
        raise argparse.ArgumentTypeError(f"{text!r} ends with what is added by itself: give {cure}")
    return address


def model_version(text: str) -> str:
    """Take the name of the service's model."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} names no model: give 3.0, or leave the flag out")
    return text


def codes(text: str) -> tuple[str, ...]:
    """Take error codes, or the outcomes `ok` and `no_face`, with commas between."""
    known = ("ok", "no_face", *ErrorCode)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is no error code; known are {', '.join(known)}")
    return names


def _has_host_and_port(url: str) -> bool:
    """Tell whether there is a host, and no port or one that there can be."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # what is no number, or over 65535; brackets that are not closed
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
