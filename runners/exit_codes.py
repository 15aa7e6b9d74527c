"""What the process tells its caller."""

from typing import Final

DONE: Final = 0
"""What was asked for is done: the run is committed, the plan printed, the server stopped in order."""
NOT_COMMITTED: Final = 1
WRONG_SETUP: Final = 2
COMMITTED_WITH_GAPS: Final = 3
STOPPED: Final = 130
"""By Ctrl-C; shells have 128 and the signal's number. After SIGTERM it is 143."""

MEANINGS = """\
exit codes:
  0  the run is committed
  1  the run is not committed; nothing of it is visible
  2  a flag, the manifest or the set-up is wrong; nothing of the run is visible
  3  the run is committed, but it was stopped early (account, budget, time), or more than
     --max-failure-share of its rows are dead letters
  130, 143  stopped by Ctrl-C or SIGTERM; nothing of the run is visible
"""
