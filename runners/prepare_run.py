"""Make the parts of a run from the checked flags, and find all errors that do not depend on single rows.

For local paths nothing here imports Beam, so that a wrong path is reported in a fraction of a second.
"""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Final

from facebeam.runners.flags.option_types import Runner, cores
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.flags.request_headers import is_secret_name
from facebeam.runners.image_fetcher import authorities, image_fetcher
from facebeam.runners.logs import LOGGER
from facebeam.schemas.layout import Layout
from facebeam.schemas.request_key import BUCKETS
from facebeam.schemas.run_record import RunFacts
from facebeam.schemas.tables import YIELDING_COLUMNS
from facebeam.transforms.api.api_source import UNPACED_WINDOW, ApiSource
from facebeam.transforms.api.call_limits import CallLimits
from facebeam.transforms.api.client import CALL_LIMITS, ApiClient
from facebeam.transforms.api.pacer import LARGEST_WINDOW
from facebeam.transforms.api.token import TokenReference
from facebeam.transforms.files.any_store import fingerprint, is_local, store_of
from facebeam.transforms.images.download_image import DOWNLOAD_LIMITS
from facebeam.transforms.local_model.weights import check_weights
from facebeam.transforms.manifest.inspect_manifest import Manifest, ambiguous_id, inspect_manifest
from facebeam.transforms.manifest.take_part import first_rows, sample
from facebeam.transforms.sources.crash_notes import CrashNotes
from facebeam.transforms.sources.face_source import FaceSource
from facebeam.transforms.sources.fake_source import FakeSource


def manifest_fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """Give path -> `sha256:<hex>`, or the checksum that a bucket has of an object."""
    return {path: fingerprint(path) for path in paths}


FEWEST_SHARDS: Final = 128
"""Engines distribute shards by a hash: Flink gives 35 of 64 shards to one of two slots, and 66 of 128."""
_HIDDEN: Final = "[hidden]"
_DOWNLOADS: Final = 300
"""More connections than the local model uses or keeps open."""
BYTES_A_SHARD: Final = 1_000_000
"""Manifest bytes per shard, some ten thousand rows: minutes of work, so that all workers end together."""


def journal_path(options: RunOptions) -> str:
    """Give the folder of the journal: the one in the output, unless `--journal` names another."""
    return options.journal or Layout(options.output, "").journal


def find_manifest(options: RunOptions) -> Manifest:
    """Check the manifest's files, and take the part of `--limit` or `--sample`; raises ManifestError.

    Logs a warning if one id names two images, or if a manifest column replaces a column of facebeam.
    """
    manifest = inspect_manifest(
        options.manifest,
        options.url_column,
        allow_local_files=options.allow_local_files,
        made_for=options.made,
    )
    if warning := ambiguous_id(manifest):
        LOGGER.warning("%s", warning)
    if kept := [name for name in manifest.columns.names if name.lower() in YIELDING_COLUMNS]:
        LOGGER.warning(
            "the tables have the manifest's own %s in place of facebeam's column of that name; rename it in "
            "the manifest to get both",
            " and ".join(map(repr, kept)),
        )
    if options.limit is not None:
        return first_rows(manifest, options.limit)
    return manifest if options.sample is None else sample(manifest, options.sample)


def choose_source(options: RunOptions, limits: CallLimits) -> FaceSource:
    """Describe the face source; nothing is read or loaded."""
    match options.source:
        case "fake":
            return FakeSource()
        case "api":
            return ApiSource(
                _client(options), options.rate, limits, options.window, options.allow_private_urls
            )
        case "local":
            from facebeam.transforms.sources.local_source import LocalSource  # noqa: PLC0415 - the networks' runtime is an extra

            fetcher = replace(
                image_fetcher(options, _ca_data(options)),
                allow_local_files=options.allow_local_files,
                limits=DOWNLOAD_LIMITS.within(options.timeout),
                folder="" if options.cluster.runner == "local" else str(Path.cwd()),
            )
            crashes = CrashNotes(f"{journal_path(options)}/_crashes")
            return LocalSource(fetcher, _models(options), crashes, limits.stop_at)


def _models(options: RunOptions) -> int:
    """Give the number of models per process: one per core on this machine, one per shard on a cluster."""
    return options.workers or (cores() if options.cluster.runner == "local" else 1)


def check_source(options: RunOptions) -> None:
    """Check that the source has what it needs; raises RunError if the token or the weights are not valid."""
    match options.source:
        case "api":
            use_remote_files([options.token_file], options.beam_flags, options.cluster.runner)
            _client(options).token.resolve()
        case "local":
            check_weights()


def connections_of(options: RunOptions) -> int:
    """Give the largest number of open connections: for the API, two seconds of calls, else the downloads."""
    if not options.is_service:
        return _DOWNLOADS
    paced = UNPACED_WINDOW if options.rate is None else math.ceil(2 * options.rate)
    return options.window or min(LARGEST_WINDOW, paced)


def shards_for(options: RunOptions, manifest: Manifest) -> int:
    """Choose the number of shards: one, unless the workers of a cluster divide the images among them.

    For the API, one shard is enough on any engine: it makes several hundred calls per second.
    """
    if options.shards or options.is_paced or options.cluster.runner == "local":
        return options.shards or 1
    size_bytes = sum(file.state.size_bytes for file in manifest.files)
    return min(BUCKETS, FEWEST_SHARDS + size_bytes // BYTES_A_SHARD)


def check_shards(source: FaceSource, shards: int) -> None:
    """Check that the limits of the source can be divided among this many shards; raises RunError if not."""
    source.for_shard(0, shards)


def limits_of(options: RunOptions, now: datetime) -> CallLimits:
    """Give the limits of the run: the smaller one of two budgets, and the earlier one of two end times."""
    longest_s = options.max_duration or default_duration_s(options)
    by_duration = now + timedelta(seconds=longest_s) if longest_s else None
    ends = [end for end in (options.stop_at, by_duration) if end is not None]
    return CallLimits(most_calls(options), min(ends, default=None))


def most_calls(options: RunOptions) -> int | None:
    """Give the largest number of calls that the budgets allow; None: unlimited."""
    by_credits = _affordable(options.budget_credits, options.price) if options.budget_credits else None
    calls = [limit for limit in (options.budget_calls, by_credits) if limit is not None]
    return min(calls, default=None)


DATAFLOW_DURATION_S: Final = 9 * 86_400.0
"""Default of `--max-duration` on Dataflow: the run is committed a day before Dataflow would end the job."""


def default_duration_s(options: RunOptions) -> float | None:
    """Give the default of `--max-duration`; None: no limit. The fake source knows no limit of time."""
    is_limited = options.cluster.runner == "dataflow" and options.source != "fake"
    return DATAFLOW_DURATION_S if is_limited else None


def facts_of(options: RunOptions, manifest: Manifest, began_at: datetime) -> RunFacts:
    """Give the facts for the run's record: options, versions, manifests and start."""
    packages = ("facebeam", "apache-beam", "pyarrow", "numpy")
    shown = asdict(options) | {
        "manifest": [options.made.get(path, path) for path in options.manifest],
        "beam_flags": without_secrets(options.beam_flags),
        "notify_url": options.notify_url and _HIDDEN,
    }
    del shown["made"]
    return RunFacts(
        started_at=began_at,
        options=shown,
        manifests={file.name: fingerprint(file.path) for file in manifest.files},
        versions={"python": platform.python_version(), **{name: version(name) for name in packages}},
    )


def without_secrets(flags: Sequence[str]) -> list[str]:
    """Hide the values of Beam's flags that look like secrets: many people may read the record.

    >>> without_secrets(["--s3_secret_access_key=abc", "--api_token", "abc", "--s3_region_name=eu"])
    ['--s3_secret_access_key=[hidden]', '--api_token', '[hidden]', '--s3_region_name=eu']
    """
    shown: list[str] = []
    for flag in flags:
        name, equals, _ = flag.partition("=")
        if not flag.startswith("-") and shown and is_secret_name(shown[-1]) and "=" not in shown[-1]:
            shown.append(_HIDDEN)
        else:
            shown.append(f"{name}={_HIDDEN}" if equals and is_secret_name(name) else flag)
    return shown


def _affordable(credits_: float, price: float) -> int:
    """Give the number of calls that credits pay for; decimal, so that 0.3 pays for three calls at 0.1."""
    return int(Decimal(str(credits_)) / Decimal(str(price)))


def _client(options: RunOptions) -> ApiClient:
    return ApiClient(
        options.base_url,
        TokenReference(file=options.token_file, secret=options.token_secret),
        options.face_model_version,
        options.window or LARGEST_WINDOW,
        CALL_LIMITS.within(options.timeout),
        trust_proxies=options.trust_proxies,
        ca_data=_ca_data(options),
    )


def _ca_data(options: RunOptions) -> str:
    return authorities(options.ca_file, os.environ if options.trust_proxies else {})


def use_remote_files(
    paths: Iterable[str | None], beam_flags: Sequence[str] = (), runner: Runner = "local"
) -> None:
    """Prepare Beam's file systems if one of the paths is remote; only then import Beam.

    Raises:
        RunError: a flag of Beam is wrong, no file system supports a path, or its library is not installed.
    """
    remote = [path for path in paths if path is not None and not is_local(path)]
    if not remote:
        return
    from facebeam.runners.flags.beam_flags import set_up_file_systems  # noqa: PLC0415 - imports Beam

    set_up_file_systems(beam_flags, runner)
    for path in remote:  # before a message could name a file that only facebeam knows
        store_of(path)
