"""Options that are declared as annotated fields."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import pytest

from facebeam.runners.flags.flag import Flag, Inherited, OptionsParser, flags_of
from facebeam.runners.flags.options import RunOptions


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    TITLE: ClassVar[str] = "numbers"

    small: Annotated[int, Flag("a number", int, "N", only_with=("kind", ("big",)))] = 1
    names: Annotated[tuple[str, ...], Flag("names", str, "X", several=True, instead_of="small")]
    more: Annotated[tuple[str, ...], Flag("others", str, "X", repeated=True)] = ()


@dataclass(frozen=True, kw_only=True)
class _Kinds:
    TITLE: ClassVar[str] = "kinds"

    kind: Annotated[str, Flag("a kind", str, choices=("big", "little"), inherited=Inherited.QUESTION)] = "big"
    scale: Annotated[float | None, Flag("a scale", float, "S", needed_with=("kind", ("little",)))] = None
    loud: Annotated[bool, Flag("a switch")] = False


@dataclass(frozen=True, kw_only=True)
class Inner(_Kinds):
    """Options inside others."""


@dataclass(frozen=True, kw_only=True)
class Outer(_Numbers):
    """Options with others inside."""

    inner: Inner = field(default_factory=Inner)


def parser(**defaults: object) -> OptionsParser[Outer]:
    """Build the parser of the options above."""
    return OptionsParser(Outer, "prog", "Do something.", "", **defaults)


def test_values_come_from_the_command_line_the_run_and_the_defaults_in_this_order() -> None:
    """A given value wins, then an inherited one, then the parser's default, then the field's."""
    line = ["--names", "a", "b", "--more=c", "--more", "d", "--loud", "rest"]
    options, rest = parser(small=3).parse(line, {"small": 2, "more": ["x"]})
    inner = Inner(kind="big", scale=None, loud=True)
    assert options == Outer(small=2, names=("a", "b"), more=("c", "d"), inner=inner)
    assert rest == ["rest"]
    assert parser(small=3).parse(["--names", "a"])[0].small == 3
    assert parser().parse(["--names", "a", "--unknown"]) == (Outer(names=("a",)), ["--unknown"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the following arguments are required: --names"),
        ("--names a --kind huge", "invalid choice: 'huge'"),
        ("--names a --kind little", "--kind little needs --scale"),
        ("--names a --kind little --scale 2 --small 1", "--small works only with --kind big"),
        ("--names a --small 2", "--names and --small exclude each other: give one"),
        ("--nmes a", "there is no flag --nmes: did you mean --names?"),
    ],
)
def test_a_wrong_command_line_ends_with_two(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    """The error is one line, and names the flag."""
    with pytest.raises(SystemExit) as ended:
        parser().parse(line.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_help_has_each_flag_once_with_its_default() -> None:
    """Groups have titles; a default is said unless it is nothing."""
    text = " ".join(parser().format_help().split())
    assert "numbers: --small N a number (default: 1)" in text
    assert "kinds: --kind {big,little} a kind (default: big) --scale S a scale --loud a switch" in text


def test_flags_of_a_run_name_flags_that_there_are() -> None:
    """What a flag goes with, is needed with or excludes is a flag itself, with a choice of that name."""
    flags = flags_of(RunOptions)
    for flag in flags.values():
        for other, _ in filter(None, (flag.only_with, flag.needed_with)):
            assert other in flags
        assert flag.instead_of is None or flags[flag.instead_of].instead_of
