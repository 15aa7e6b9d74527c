"""Parsers that take nothing they do not know."""

import argparse
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NoReturn

_DRY_RUNS: Final = frozenset({"--dry-run", "--dryrun"})
_SAID_ELSEWHERE: Final = {
    "--input": "the manifest is given by --manifest",
    "--url-list": "the manifest is given by --manifest",
    "--api-key": "the token is read from ACEDATACLOUD_API_TOKEN, --token-file or --token-secret",
    "--token": "the token is read from ACEDATACLOUD_API_TOKEN, --token-file or --token-secret",
    "--config": "flags are given on the command line; a shell script can hold them",
    "--resume": "the same command again resumes: answers are kept in the journal",
    "--concurrency": "requests in flight are given by --window, local models by --workers",
    "--num-workers": "local models are given by --workers, a cluster's workers by --max-num-workers",
    "--qps": "calls per second are given by --rate",
    "--rps": "calls per second are given by --rate",
    "--max-retries": "retries follow a fixed policy; --timeout limits an attempt, --max-duration the run",
}
"""What users of other tools type -> where that is said here."""


class StrictParser(argparse.ArgumentParser):
    """A parser that answers an error in one line; made with `allow_abbrev=False`.

    Our flags may be spelled with `_` for `-`, as Beam spells its own.
    """

    def error(self, message: str) -> NoReturn:
        """End with exit code 2, naming the cure."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def known_flags(self, argv: Sequence[str]) -> list[str]:
        """Spell our own flags with `-`.

        A flag that does not exist ends the process with exit code 2 where it is known what is meant. Argparse
        would report the required flag that is missing instead of the mistyped one.
        """
        ours = flag_names(self)
        required = [action.option_strings[0] for action in self._actions if action.required]
        spelled: list[str] = []
        for argument in argv:
            name, equals, value = argument.partition("=")
            flag = name.replace("_", "-") if name.startswith("--") else name
            if flag in ours:
                spelled.append(f"{flag}{equals}{value}")
                continue
            spelled.append(argument)
            if flag in _DRY_RUNS:
                self.error(self._instead_of_dry_run(argv, argument))
            if flag in _SAID_ELSEWHERE:
                self.error(f"there is no flag {name}: {_SAID_ELSEWHERE[flag]}")
            if name.startswith("--") and (meant := get_close_matches(flag, required, n=1, cutoff=0.8)):
                self.error(f"there is no flag {name}: did you mean {meant[0]}?")
        return spelled

    def _instead_of_dry_run(self, argv: Sequence[str], dry_run: str) -> str:
        """Name the command that sends nothing, with the user's flags as far as they are ours."""
        ours, kept = flag_names(self), [""]
        is_ours = True
        for argument in argv:
            if argument.startswith("--"):
                is_ours = argument.partition("=")[0].replace("_", "-") in ours
            if is_ours:
                kept.append(shlex.quote(argument))
        planned = f"facebeam plan{' '.join(kept)}"
        return f"there is no flag {dry_run}. Nothing was sent; this shows what would be: {planned}"


def flag_names(parser: argparse.ArgumentParser) -> list[str]:
    """List a parser's long flags."""
    return [flag for flag in parser._option_string_actions if flag.startswith("--")]  # noqa: SLF001 - argparse has no public list of them
