"""Is a run id that is committed already asked for the same run again?"""

import json
from collections.abc import Mapping
from dataclasses import asdict

from runners.flags import flags_of, spelled
from runners.manifest_fingerprints import manifest_fingerprints
from runners.options import RunOptions
from schemas.layout import Layout
from transforms.manifest_formats.find_manifests import find_manifests
from transforms.manifest_formats.manifest_error import ManifestError


def what_differs(options: RunOptions, layout: Layout, record: Mapping[str, object]) -> str | None:
    """Say in what the options differ from those of a committed run; None where the same run is meant.

    Args:
        options: what is asked for now.
        layout: where that run's files are.
        record: its `run.json`.
    """
    return _other_manifest(options, layout, record) or _other_flag(options, record)


def _other_manifest(options: RunOptions, layout: Layout, record: Mapping[str, object]) -> str | None:
    """Compare by content: a manifest may have moved. One that is gone is taken for what it was."""
    before = record.get("manifests")
    if not isinstance(before, dict):
        return None
    try:
        now = manifest_fingerprints(find_manifests(options.manifest))
    except ManifestError:
        return None
    # `replay --run all` finds its own rows, too, when it is repeated
    own = (f"{layout.published('dead_letters')}/", f"{layout.records}/")
    named = {path: digest for path, digest in now.items() if not path.startswith(own)}
    if sorted(named.values()) == sorted(before.values()):
        return None
    return f"its manifest was {_listed(before)}, and this one is {_listed(named)}"


def _other_flag(options: RunOptions, record: Mapping[str, object]) -> str | None:
    before = record.get("options")
    now: dict[str, object] = json.loads(json.dumps(asdict(options), default=str))
    compared = (name for name, flag in flags_of(RunOptions).items() if flag.changes_rows and name in now)
    for name in compared:
        if isinstance(before, dict) and name in before and before[name] != now[name]:
            return f"its {spelled(name)} was {before[name]}, and is {now[name]} here"
    return None


def _listed(fingerprints: Mapping[str, str]) -> str:
    return ", ".join(f"{path} ({digest[:19]})" for path, digest in fingerprints.items())
