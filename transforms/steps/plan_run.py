"""Count the calls that a run would send, without sending any."""

from collections.abc import Callable, Collection

from facebeam.schemas.run_plan import RunPlan
from facebeam.schemas.values import ManifestRow
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.manifest.read_records import split_manifest
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.read_manifest import read_manifest


def plan_run(
    manifest: Manifest,
    key_of: Callable[[ManifestRow], bytes],
    journal: Journal,
    is_sent: Callable[[str], bool],
    ask_again: Collection[str] = (),
) -> RunPlan:
    """Count rows, distinct images, and images that the journal answers; send nothing to the face source.

    Holds 32 bytes per distinct image in memory.

    Args:
        manifest: the manifest of the run.
        key_of: gives the key under which the journal stores a row's answer.
        journal: where answers are looked up.
        is_sent: tells whether a run would send an image URL to the face source.
        ask_again: error codes, 'ok' or 'no_face'; an image whose stored result is one of these is sent again.

    Raises:
        ManifestError: a file is damaged.
        RunError: the journal cannot be read.
    """
    keys: set[bytes] = set()
    unfit: set[bytes] = set()
    rows = invalid = 0
    PROGRESS.begin("reading rows")
    for part in (part for file in manifest.files for part in split_manifest(file)):
        for entry in read_manifest(part, manifest):
            rows += 1
            PROGRESS.ended.rows += 1
            if isinstance(entry, ManifestRow):
                key = key_of(entry)
                keys.add(key)
                if not is_sent(entry.image_url):
                    unfit.add(key)
            else:
                invalid += 1
    stored = 0
    PROGRESS.begin("reading the journal")
    for key, result in journal.stored(keys):
        if result.name not in ask_again:
            stored += 1
            unfit.discard(key)
        PROGRESS.steps += 1
    return RunPlan(rows, invalid, len(keys), stored, len(unfit))
