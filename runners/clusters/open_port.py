"""Is anyone listening there?"""

import socket

from schemas.errors import RunError

_TIMEOUT_S = 5.0


def check_open_port(flag: str, address: str, cure: str) -> None:
    """See that a server takes connections at `host:port`; raises RunError with flag, address and cure."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"{flag} {address} does not answer ({reason}): {cure}, or correct the flag") from error
