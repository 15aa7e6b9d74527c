"""What a run would do, before it does it."""

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
    """Count rows, distinct images, and those that the journal answers; nothing is asked for.

    Holds 32 bytes for each distinct image.

    Args:
        manifest: the run's.
        key_of: gives the key under which a row's answer is stored.
        journal: where answers are looked up.
        is_sent: tells of an image's URL whether the source asks for it.
        ask_again: error codes, or `no_face`, whose stored answers do not count.

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
            PROGRESS.rows_read += 1
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
