"""Tell what looks like a secret: options are kept in the run's record, which many may read."""

import re
from typing import Final

_SECRET_NAME: Final = re.compile(
    "key|token|secret|password|credential|signature|sas|auth|cookie", re.IGNORECASE
)
_SECRET_VALUE: Final = re.compile(
    r"\b(bearer|basic|digest)\s|//[^/?#\s]*@|(key|token|secret|password|credential|signature|sig)[\w-]*[=:]",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Tell whether a flag or header of this name holds a secret.

    >>> is_secret_name("--s3_secret_access_key"), is_secret_name("X-Auth"), is_secret_name("Referer")
    (True, True, False)
    """
    return _SECRET_NAME.search(name) is not None


def has_secret(value: str) -> bool:
    """Tell whether a value holds credentials: a scheme of theirs, a URL's user, a query such as `?sig=...`.

    >>> has_secret("Bearer abc"), has_secret("https://host/?sig=abc"), has_secret("https://host/keys")
    (True, True, False)
    """
    return _SECRET_VALUE.search(value) is not None
