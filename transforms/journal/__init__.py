"""The journal stores answers for all later runs, in Parquet files that are complete or not there.

These files are the segments, `<path>/bucket=<000..255>/<uuid>.parquet`; the bucket is the first byte of the
key. Any number of processes write and read at the same time without a lock: each one writes its own segments,
under another name first, and never changes a segment. If several segments have a key, the newest counts.
"""
