"""What the vendors' clients below Beam's file systems raise, found without importing any of them."""

import sys
from typing import Final

_ROOTS: Final = (
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.resumable_media.common", "InvalidResponse"),
    ("google.resumable_media.common", "DataCorruption"),
    ("botocore.exceptions", "BotoCoreError"),
    ("apache_beam.io.aws.clients.s3.messages", "S3ClientError"),
    ("hdfs.util", "HdfsError"),
)


def vendor_errors() -> tuple[type[Exception], ...]:
    """Give OSError, and the roots of what vendors raise: a module that is not imported has raised nothing.

    Beam's file systems pass them on where they open a file or ask whether it is there; where they list, move
    and delete, they make a BeamIOError of them.
    """
    imported = (getattr(sys.modules[module], name) for module, name in _ROOTS if module in sys.modules)
    return (OSError, *imported)
