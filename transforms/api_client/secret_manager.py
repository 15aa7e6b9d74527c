"""Read a secret of Google's Secret Manager, whose client is an extra."""

import re

from schemas.errors import RunError


def read_secret(name: str) -> str:
    """Read a secret, by default its latest version.

    Raises:
        RunError: the name is none, the extra is not installed, or Google refuses; names the secret.
    """
    if not re.fullmatch(r"projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?", name):
        raise RunError(f"secret {name} is no name: write projects/<project>/secrets/<secret>")
    try:
        from google.api_core import exceptions as api  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from google.auth import exceptions as auth  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from google.cloud import secretmanager  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RunError(f"secret {name} cannot be read: pip install 'facebeam[gcp]'") from error
    version = name if "/versions/" in name else f"{name}/versions/latest"
    try:
        found = secretmanager.SecretManagerServiceClient().access_secret_version(name=version)
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        cure = "check --token-secret, and that this account has the role secretmanager.secretAccessor"
        raise RunError(f"secret {name} cannot be read ({type(error).__name__}): {cure}") from error
    value: bytes = found.payload.data
    return value.decode("latin-1")
