"""What the process tells its caller."""

COMMITTED = 0
NOT_COMMITTED = 1
WRONG_SETUP = 2
COMMITTED_WITH_GAPS = 3
STOPPED = 130

MEANINGS = """\
exit codes:
  0  the run is committed
  1  the run is not committed; nothing of it is visible
  2  a flag, the manifest or the set-up is wrong; nothing of the run is visible
  3  the run is committed, but it was stopped early (account, budget, time), or more than
     --max-failure-share of its rows are dead letters
  130, 143  stopped by Ctrl-C or SIGTERM; nothing of the run is visible
"""
