"""Exports, reports and comparisons of committed runs. All of them read tables one batch at a time."""
