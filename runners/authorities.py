"""Which certificate authorities a run trusts besides the usual ones."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.errors import RunError

_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def authorities(ca_file: str | None, environment: Mapping[str, str]) -> str:
    """Read the certificates of `--ca-file`, and those that the environment names.

    They travel with the run, so that workers elsewhere need no file. A private key beside them does not.

    Args:
        ca_file: a file in PEM.
        environment: variables of the process; empty where it is not trusted.

    Returns:
        Certificates in PEM; empty where none are named.

    Raises:
        RunError: a file cannot be read or holds no certificate.
    """
    named = {"--ca-file": ca_file, **{name: environment.get(name) for name in _VARIABLES}}
    return "\n".join(_certificates(source, path) for source, path in named.items() if path)


def _certificates(source: str, path: str) -> str:
    try:
        found = "\n".join(_CERTIFICATE.findall(Path(path).read_text(errors="replace")))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError):  # ValueError: nothing was found
        raise RunError(f"{source} {path} holds no certificate in PEM: name a file that does") from None
    except OSError as error:
        raise RunError(f"{source} {path} cannot be read ({error.strerror}): name a file in PEM") from None
    return found
