"""The error that ended a run is found in the text that an engine hands on, whichever of our errors it is."""

from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages

import facebeam
from facebeam.runners.root_cause import OURS, root_cause
from facebeam.schemas.errors import RunError


def errors(kind: type[RunError]) -> set[str]:
    """Name an error and all its subclasses that are imported."""
    return {kind.__name__}.union(*map(errors, kind.__subclasses__()))


def test_each_of_our_errors_is_known_by_its_name() -> None:
    """Every subclass of RunError in any module is listed."""
    for module in walk_packages(facebeam.__path__, "facebeam."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # the libraries of an engine that is not set up here
                import_module(module.name)
    assert errors(RunError) == OURS


def test_our_error_is_preferred_to_what_it_led_to() -> None:
    """Of several errors in a traceback our own last one is told, without its class."""
    text = "facebeam.schemas.errors.RunError: no space\n\nRuntimeError: the bundle failed"
    assert root_cause(text) == "no space"
