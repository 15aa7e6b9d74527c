"""`facebeam serve`: answer the API's requests on this machine with the local model.

The set-up is checked before slow modules are imported.
"""

import os
import socket
import sys
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Final

from facebeam.runners.cli import main
from facebeam.runners.logs import LOGGER
from facebeam.runners.service.admission import AcceptedTokens, find_tokens
from facebeam.runners.service.serve_options import ServeOptions
from facebeam.schemas.errors import RunError
from facebeam.transforms.local_model.weights import WeightsError, check_weights

_NEEDED: Final = ("fastapi", "uvicorn", "ai_edge_litert", "PIL")
_BACKLOG: Final = 1024


def serve(options: ServeOptions) -> int:
    """Serve until Ctrl-C or SIGTERM; give the exit code that `--help` lists.

    Raises:
        RunError: the set-up is wrong; nothing was started.
    """
    _check_set_up()
    tokens = find_tokens(options.token_file, os.environ)
    with _listen(options.host, options.port) as listener:
        return _serve(options, tokens, listener)


def _check_set_up() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise RunError(f"{missing[0]} is not installed: pip install 'facebeam[local,server]'")
    try:
        check_weights()
    except WeightsError as error:
        raise RunError(str(error)) from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that IDNA cannot encode
        reason = getattr(error, "strerror", None) or error
        raise RunError(
            f"cannot listen on {host}, port {port}: {reason}; give another --host or --port"
        ) from None


def _serve(options: ServeOptions, tokens: AcceptedTokens, listener: socket.socket) -> int:
    from facebeam.runners.service.run_server import run_server  # noqa: PLC0415 - FastAPI and the networks, after all checks

    if not tokens.digests and not _is_loopback(listener):
        LOGGER.warning("every token is accepted, and others can reach this address: give --token-file")
    return run_server(options, tokens, listener)


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0]).is_loopback


if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
