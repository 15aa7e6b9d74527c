"""Handle earlier runs in the same output: finish interrupted ones, and compare with committed ones."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from facebeam.runners.flags.flag import flags_of, spelled
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import claim_dead_run
from facebeam.runners.prepare_run import manifest_fingerprints
from facebeam.schemas.errors import RunError
from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import RunRecord
from facebeam.schemas.tables import IMAGES, manifest_columns
from facebeam.transforms.files.any_store import files_below, reading
from facebeam.transforms.manifest.find_manifests import find_manifests
from facebeam.transforms.manifest.manifest_file import ManifestError
from facebeam.transforms.steps.publish import read_record, resume, run_marked_last, sweep_staging


def finish_earlier_runs(options: RunOptions, layout: Layout) -> bool:
    """Publish interrupted runs that were checked, clean up after others; tell if this run is committed.

    Raises:
        RunError: it is, but the options describe another run.
    """
    sweep_staging(layout.output, partial(claim_dead_run, layout.output))
    committed = resume(layout)
    if committed:
        LOGGER.info("run %s was interrupted after it was checked; it is published now", layout.run_id)
        check_same_run(options, layout, read_record(layout))
    return committed


def check_same_run(options: RunOptions, layout: Layout, record: RunRecord) -> None:
    """Check that the options describe the run that is committed under this id.

    Args:
        options: the options of this command.
        layout: paths of the committed run.
        record: record of the committed run.

    Raises:
        RunError: the options describe another run.
    """
    if difference := _other_manifest(options, layout, record) or _other_flag(options, record):
        raise RunError(
            f"run {layout.run_id} is committed already as another run: {difference}. Nothing was "
            "asked for; give this run another --run-id"
        )


def _other_manifest(options: RunOptions, layout: Layout, record: RunRecord) -> str | None:
    """Compare manifests by content, since they may have moved. A deleted manifest counts as unchanged."""
    before = record.facts.manifests
    if not before:  # a pipeline of a library user, who recorded no manifests
        return None
    try:
        now = manifest_fingerprints(find_manifests(options.manifest))
    except ManifestError:
        return None
    # a repeated `replay --run all` also finds its own rows
    own = (f"{layout.published('dead_letters')}/", f"{layout.records}/")
    named = {path: digest for path, digest in now.items() if not path.startswith(own)}
    if sorted(named.values()) == sorted(before.values()):
        return None
    shown = {options.made.get(path, path): digest for path, digest in named.items()}
    this_one = _listed(shown) or "made of its own rows"
    return f"its manifest was {_listed(before)}, and this one is {this_one}"


def _other_flag(options: RunOptions, record: RunRecord) -> str | None:
    before = record.facts.options
    now: dict[str, object] = json.loads(json.dumps(asdict(options), default=str))
    compared = (name for name, flag in flags_of(RunOptions).items() if flag.changes_rows and name in now)
    for name in compared:
        if name in before and before[name] != now[name]:
            return f"its {spelled(name)} was {before[name]}, and is {now[name]} here"
    return None


def _listed(fingerprints: Mapping[str, str]) -> str:
    return ", ".join(f"{path} ({digest[:19]})" for path, digest in fingerprints.items())


_CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""A warning about smaller differences between the clocks of two machines would help nobody."""
_MOST: Final = 5
"""A warning names this many changes: a manifest may have a thousand columns."""


def warn_of_last_run(layout: Layout, columns: pa.Schema) -> None:
    """Warn if the last run was committed in the future, or if its manifest had other columns or types.

    Many readers take the schema of the first file for all files.

    Args:
        layout: paths of the new run.
        columns: the own columns of its manifest.
    """
    last = run_marked_last(layout.output)
    if last is None:
        return
    with suppress(RunError):  # an unreadable table of an earlier run must not stop a new run
        committed_at = read_record(Layout(layout.output, last)).committed_at
        if committed_at > datetime.now(UTC) + _CLOCKS_DIFFER:
            LOGGER.warning(
                "run %s was committed at %s, which is in the future: check the clock of this machine. Until "
                "then that run counts as the newest one, also after this run",
                last,
                f"{committed_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            )
        if changes := [*_changes(_own_columns(Layout(layout.output, last)), columns)]:
            more = f"; and {len(changes) - _MOST} more" if len(changes) > _MOST else ""
            LOGGER.warning(
                "the manifest's own columns differ from those of run %s: %s%s. The run continues; "
                "docs/read.md shows how to read such runs together",
                last,
                "; ".join(changes[:_MOST]),
                more,
            )


def _own_columns(layout: Layout) -> pa.Schema:
    """Read the own columns of a committed run from the footer of one of its files.

    Raises:
        RunError: there is no file, or it cannot be read.
    """
    folder = layout.published("images")
    path = next(iter(files_below(folder)), None)
    if path is None:
        raise RunError(f"{folder} has no file")
    with reading(path) as file:
        return manifest_columns(pq.read_schema(file), IMAGES)


def _changes(before: pa.Schema, now: pa.Schema) -> Iterator[str]:
    types = dict(zip(before.names, before.types, strict=True))
    for field in now:
        if field.name not in types:
            yield f"{field.name!r} is new ({field.type})"
        elif types[field.name] != field.type:
            yield f"{field.name!r} was {types[field.name]} and is {field.type}"
    yield from (f"{name!r} is missing (was {kind})" for name, kind in types.items() if name not in now.names)
