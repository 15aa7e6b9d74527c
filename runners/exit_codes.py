"""The exit codes of the commands, and what they mean."""

from typing import Final

DONE: Final = 0
"""The command has done its work: the run is committed, the plan is printed, the server has stopped."""
NOT_COMMITTED: Final = 1
WRONG_SETUP: Final = 2
COMMITTED_WITH_GAPS: Final = 3
STOPPED: Final = 130
"""`serve` was stopped at once, by a second Ctrl-C: 128 plus the number of the signal, as in shells."""

BY_SIGNAL: Final = "  130, 143  stopped by Ctrl-C or SIGTERM"
"""The line about signals in the help of commands that are no runs."""
MEANINGS = """\
exit codes:
  0  the run is committed
  1  the run is not committed; nothing of it is visible
  2  a flag, the manifest or the set-up is wrong; nothing of the run is visible
  3  the run is committed, but it was stopped early (account, budget, time), or more than
     --max-failure-share of its rows are dead letters
  130, 143  stopped by Ctrl-C or SIGTERM; nothing of the run is visible
"""
