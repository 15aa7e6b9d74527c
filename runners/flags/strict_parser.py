"""A command-line parser that refuses everything that it does not know."""

import argparse
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NoReturn

_DRY_RUNS: Final = frozenset({"--dry-run", "--dryrun"})
_SAID_ELSEWHERE: Final = {
    "--input": "give the manifest with --manifest",
    "--url-list": "give the manifest with --manifest",
    "--api-key": "give the token with ACEDATACLOUD_API_TOKEN, --token-file or --token-secret",
    "--token": "give the token with ACEDATACLOUD_API_TOKEN, --token-file or --token-secret",
    "--config": "give the flags on the command line, for example in a shell script",
    "--resume": "the same command continues a run, since the journal stores its answers",
    "--concurrency": "--window sets the calls in flight, --workers the local models",
    "--num-workers": "--workers sets the local models, --max-num-workers the workers of a cluster",
    "--qps": "--rate sets the calls per second",
    "--rps": "--rate sets the calls per second",
    "--max-retries": "retries follow a fixed policy; --timeout limits an attempt, --max-duration the run",
}
"""Flags of other tools -> what to use here."""


class StrictParser(argparse.ArgumentParser):
    """A parser that reports an error in one line. Create it with `allow_abbrev=False`.

    Users may write `_` instead of `-` in our flags, as in Beam's.
    """

    def error(self, message: str) -> NoReturn:
        """Print the error and the cure, and exit with 2."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def known_flags(self, argv: Sequence[str]) -> list[str]:
        """Spell our own flags with `-`.

        If a flag does not exist but its meaning is clear, this ends the process with exit code 2. Otherwise
        argparse would report a missing required flag instead of the mistyped one.
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
        """Suggest `facebeam plan`, which sends nothing, with the user's flags without those of Beam."""
        ours, kept = flag_names(self), [""]
        is_ours = True
        for argument in argv:
            if argument.startswith("--"):
                is_ours = argument.partition("=")[0].replace("_", "-") in ours
            if is_ours:
                kept.append(shlex.quote(argument))
        planned = f"facebeam plan{' '.join(kept)}"
        return f"there is no flag {dry_run}. Nothing was sent; this shows what a run would send: {planned}"


def flag_names(parser: argparse.ArgumentParser) -> list[str]:
    """List a parser's long flags."""
    return [flag for flag in parser._option_string_actions if flag.startswith("--")]  # noqa: SLF001 - argparse has no public list of them
