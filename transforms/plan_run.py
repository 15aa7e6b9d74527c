"""Count what a run would ask for, from its manifest and its journal alone."""

from collections.abc import Collection

from schemas.run_plan import RunPlan
from schemas.values import ManifestRow
from transforms.inspect_manifest import Manifest
from transforms.journal.journal import Journal
from transforms.manifest_formats.split_manifest import split_manifest
from transforms.questions import Question
from transforms.read_manifest import read_manifest


def plan_run(
    manifest: Manifest, question: Question, journal: Journal, ask_again: Collection[str] = ()
) -> RunPlan:
    """Count rows, distinct images, and those that the journal answers; nothing is asked for.

    Holds 32 bytes for each distinct image.

    Raises:
        ManifestError: a file is damaged.
        RunError: the journal cannot be read.
    """
    keys: set[bytes] = set()
    rows = invalid = 0
    for part in (part for file in manifest.files for part in split_manifest(file)):
        for entry in read_manifest(part, manifest):
            rows += 1
            if isinstance(entry, ManifestRow):
                keys.add(question.key(entry))
            else:
                invalid += 1
    stored = sum(result.name not in ask_again for _, result in journal.stored(keys))
    return RunPlan(rows, invalid, len(keys), stored)
