"""Find the one line that says why a pipeline failed in what an engine says of it."""

import re
from typing import Final

_RAISED: Final = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt)): (.+)$", re.MULTILINE)
OURS: Final = frozenset({"RunError", "SetUpError", "ManifestError", "UnreachableError", "WeightsError"})
"""RunError and all its subclasses by name: those of a worker's process may not be imported here."""


def root_cause(failure: str) -> str:
    r"""Give the last of our own errors in a traceback's text, else the last error of all with its class.

    Engines hand failures on as text: the exception's class is gone, its line is not.

    >>> root_cause("Traceback ...\nschemas.errors.RunError: no space [while running 'WriteFaces']")
    'no space'
    """
    raised = _RAISED.findall(failure) or [("", failure.strip()[-500:])]
    name, text = next((each for each in reversed(raised) if each[0] in OURS), raised[-1])
    said, *_ = text.split(" [while running ")
    return said if name in OURS | {""} else f"{name}: {said}"


def is_wrong_set_up(failure: str) -> bool:
    """Tell from what an engine says of a failure whether a flag is wrong or missing."""
    return any(name == "SetUpError" for name, _ in _RAISED.findall(failure))
