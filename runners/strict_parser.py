"""Parsers that take nothing they do not know, and the flags that every command has."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn


class StrictParser(argparse.ArgumentParser):
    """A parser that answers an error in one line; made with `allow_abbrev=False`."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2, naming the cure."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def flag_names(parser: argparse.ArgumentParser) -> list[str]:
    """List a parser's long flags."""
    return [flag for flag in parser._option_string_actions if flag.startswith("--")]  # noqa: SLF001 - argparse has no public list of them


def check_spelling(parser: StrictParser, argv: Sequence[str]) -> None:
    """End with a mistyped flag's name where it was one that must be given: argparse would only miss that."""
    known = flag_names(parser)
    required = [action.option_strings[0] for action in parser._actions if action.required]  # noqa: SLF001 - as above
    for flag in (argument.partition("=")[0] for argument in argv if argument.startswith("--")):
        if flag not in known and (meant := get_close_matches(flag, required, n=1, cutoff=0.8)):
            parser.error(f"there is no flag {flag}: did you mean {meant[0]}?")


def add_talk_flags(parser: argparse.ArgumentParser) -> None:
    """Add what decides how much a command says, and in which form."""
    group = parser.add_argument_group("what it says")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")
    group.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="json: one object a line (%(default)s)"
    )
