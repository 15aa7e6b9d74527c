"""Answers that have been paid for, kept for every later run: Parquet segments that are whole or not there.

`<path>/bucket=<000..255>/<uuid>.parquet`, the bucket being the first byte of the key. Any number of processes
write and read at the same time without a lock: each writes segments of its own, under another name first, and
none is ever changed. One key may stand in several segments; the newest entry counts.
"""
