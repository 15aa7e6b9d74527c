"""Declare a flag once, as an annotated field: its parser, checks, help and replay come from there.

    @dataclass(frozen=True, kw_only=True)
    class LoadFlags:
        TITLE: ClassVar[str] = "load"
        rate: Annotated[float | None, Flag("calls per second at most", types.rate, "R")] = None

A dataclass of options inherits from such groups. `OptionsParser` turns a command line into its instance.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum, auto
from inspect import get_annotations
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args

from facebeam.runners.flags.strict_parser import StrictParser


class Inherited(StrEnum):
    """What a replay does with a flag's value in the runs that it replays."""

    QUESTION = auto()
    """Inherit it, since it decides the answers. If the runs differ, the user must give the flag."""
    MANNER = auto()
    """Inherit it if the runs agree."""


@dataclass(frozen=True)
class Flag:
    """The properties of a flag, besides its name and default: these come from the field.

    Args:
        help: what the flag does.
        parse: turns the text of a value into the value. None: the flag is a switch, without a value.
        metavar: name of the value in the help.
        choices: the allowed values. None: all values that `parse` accepts.
        several: whether several values may follow the flag.
        repeated: whether the flag may be given several times, with one value each.
        default_is: text for the default in the help. None: the default's value.
        only_with: another flag, and its values with which this flag is allowed.
        needed_with: another flag, and its values with which this flag is required.
        instead_of: a flag that must not be given together with this one.
        inherited: what a replay does with the run's value. None: it uses the default.
        changes_rows: whether another value can change the tables, and so makes another run.
    """

    help: str
    parse: Callable[[str], object] | None = None
    metavar: str | None = None
    choices: Sequence[object] | None = None
    several: bool = False
    repeated: bool = False
    default_is: str | None = None
    only_with: tuple[str, Sequence[str]] | None = None
    needed_with: tuple[str, Sequence[str]] | None = None
    instead_of: str | None = None
    inherited: Inherited | None = None
    changes_rows: bool = True


class DataclassType(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Options = TypeVar("Options", bound=DataclassType)


def flags_of(options: type[DataclassType]) -> dict[str, Flag]:
    """Give the flags of a dataclass of options: name of the field -> flag."""
    return {name: flag for group in _groups(options) for name, flag in _own_flags(group).items()}


class OptionsParser(StrictParser, Generic[Options]):
    """The parser of a command whose options are a dataclass.

    Args:
        options: the dataclass.
        prog: the command, as users type it.
        description: what the command does.
        epilog: the help's text below the flags.
        defaults: default values that replace those of the fields.
    """

    def __init__(
        self, options: type[Options], prog: str, description: str, epilog: str = "", **defaults: object
    ) -> None:
        super().__init__(
            prog=prog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=description,
            epilog=epilog,
        )
        self._kind = options
        self._flags = flags_of(options)
        self._values = dict(_defaults(options)) | defaults
        for group in _groups(options):
            self._add_group(group)

    def parse(
        self, argv: Sequence[str], inherited: Mapping[str, object] | None = None
    ) -> tuple[Options, list[str]]:
        """Parse and check a command line; a wrong flag ends the process with exit code 2.

        Args:
            argv: the arguments after the command.
            inherited: values for flags that are not given, instead of their defaults.

        Returns:
            The options, and the arguments that belong to none of the flags.
        """
        namespace, rest = self.parse_known_args(self.known_flags(argv))
        given: dict[str, object] = {name: _frozen(value) for name, value in vars(namespace).items()}
        values = self._values | {name: _frozen(value) for name, value in (inherited or {}).items()} | given
        for name in self._flags:
            self._check(name, given, values)
        return _build(self._kind, values), rest

    def parse_all(self, argv: Sequence[str], inherited: Mapping[str, object] | None = None) -> Options:
        """Parse a command line with only our own flags; a wrong flag ends the process with exit code 2."""
        options, rest = self.parse(argv, inherited)
        if rest:
            self.error(f"unexpected argument {rest[0]!r}")
        return options

    def _add_group(self, group: type[DataclassType]) -> None:
        added = self.add_argument_group(vars(group)["TITLE"])
        for name, flag in _own_flags(group).items():
            added.add_argument(spelled(name), **self._argument(name, flag))

    def _argument(self, name: str, flag: Flag) -> dict[str, Any]:
        """Give the arguments of argparse's `add_argument`, which have no better type."""
        text = flag.help + self._default_text(name, flag)
        described: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS, "dest": name}
        if flag.parse is None:
            return {**described, "action": "store_true"}
        action = "extend" if flag.several else "append" if flag.repeated else "store"
        described |= {"type": flag.parse, "action": action, "required": name not in self._values}
        described |= {"metavar": flag.metavar} if flag.choices is None else {"choices": flag.choices}
        return {**described, "nargs": "+"} if flag.several else described

    def _default_text(self, name: str, flag: Flag) -> str:
        value = self._values.get(name)
        says_nothing = value is None or value is False or value == ()
        text = flag.default_is or ("" if says_nothing else str(value))
        return f" (default: {text})" if text else ""

    def _check(self, name: str, given: Mapping[str, object], values: Mapping[str, object]) -> None:
        """Check that a flag fits the other flags, and is given if they need it."""
        flag = self._flags[name]
        other, allowed = flag.only_with or ("", ())
        if name in given and other in values and values[other] not in allowed:
            self.error(f"{spelled(name)} works only with {spelled(other)} {' or '.join(allowed)}")
        if name in given and flag.instead_of in given:
            self.error(f"{spelled(name)} and {spelled(str(flag.instead_of))} exclude each other: give one")
        if flag.needed_with and not values[name] and values[flag.needed_with[0]] in flag.needed_with[1]:
            other = flag.needed_with[0]
            self.error(f"{spelled(other)} {values[other]} needs {spelled(name)}")


def _groups(options: type[DataclassType]) -> Iterator[type[DataclassType]]:
    """Yield the groups of flags that a dataclass inherits from, then those of dataclasses in its fields."""
    for base in options.__bases__:
        if "TITLE" in vars(base):
            yield base
        elif is_dataclass(base):
            yield from _groups(base)
    for kind in filter(None, map(_inner, fields(options))):
        yield from _groups(kind)


def _own_flags(group: type[DataclassType]) -> dict[str, Flag]:
    found = {name: get_args(kind)[1:] for name, kind in get_annotations(group).items()}
    return {name: flag for name, metadata in found.items() for flag in metadata if isinstance(flag, Flag)}


def _defaults(options: type[DataclassType]) -> Iterator[tuple[str, object]]:
    for field in fields(options):
        if inner := _inner(field):
            yield from _defaults(inner)
        elif field.default is not MISSING:
            yield field.name, field.default
        elif field.default_factory is not MISSING:
            yield field.name, field.default_factory()


def _build(options: type[Options], values: Mapping[str, object]) -> Options:
    chosen: dict[str, Any] = {}
    for field in fields(options):
        inner = _inner(field)
        chosen[field.name] = _build(inner, values) if inner else values[field.name]
    return options(**chosen)


def _inner(field: Field[Any]) -> type[DataclassType] | None:
    """Give the dataclass of a field whose value is options; None for other fields."""
    return field.type if isinstance(field.type, type) and is_dataclass(field.type) else None


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def spelled(name: str) -> str:
    """Give a flag as users type it; a field with a word of Python's as its name ends with `_`.

    >>> spelled("run_id"), spelled("with_")
    ('--run-id', '--with')
    """
    return f"--{name.rstrip('_').replace('_', '-')}"
