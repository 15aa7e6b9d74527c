"""The name of a run's job: the same for the same run, so that an engine can refuse a second one."""

import re
from hashlib import blake2s

from schemas.layout import Layout


def job_name(layout: Layout) -> str:
    """Name a run's job as Dataflow allows it: lower-case letters, digits and hyphens, at most 63.

    >>> job_name(Layout("gs://bucket/out", "Nightly_7"))
    'facebeam-nightly-7-66a4d5'
    """
    place = blake2s(f"{layout.output.rstrip('/')} {layout.run_id}".encode(), digest_size=3).hexdigest()
    plain = re.sub(r"[^a-z0-9]+", "-", layout.run_id.lower()).strip("-")[:46]
    return f"facebeam-{plain}-{place}"
