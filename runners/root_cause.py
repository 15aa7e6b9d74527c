"""Find the one line that explains a failure in the text that an engine reports."""

import re
from typing import Final

_RAISED: Final = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt)): (.+)$", re.MULTILINE)
OURS: Final = frozenset({"RunError", "SetUpError", "ManifestError", "UnreachableError", "WeightsError"})
"""RunError and all its subclasses by name: the classes of a worker's errors may not be imported here."""


def root_cause(failure: str) -> str:
    r"""Give the last error of facebeam in the text of a traceback; otherwise the last error with its class.

    Engines pass failures on as text, so only the last line of a traceback shows the class of the exception.

    >>> root_cause("Traceback ...\nschemas.errors.RunError: no space [while running 'WriteFaces']")
    'no space'
    """
    raised = _RAISED.findall(failure) or [("", failure.strip()[-500:])]
    name, text = next((each for each in reversed(raised) if each[0] in OURS), raised[-1])
    said, *_ = text.split(" [while running ")
    return said if name in OURS | {""} else f"{name}: {said}"


def is_wrong_set_up(failure: str) -> bool:
    """Tell from the text of a failure whether a flag is wrong or missing (SetUpError)."""
    return any(name == "SetUpError" for name, _ in _RAISED.findall(failure))
