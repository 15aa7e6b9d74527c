"""Fetch pictures for the commands about committed runs, with the download flags of those runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Final

from facebeam.runners.flags.result_options import PictureOptions
from facebeam.runners.flags.shared_options import DownloadOptions
from facebeam.runners.image_fetcher import authorities, image_fetcher
from facebeam.schemas.layout import Layout
from facebeam.transforms.images.fetch_image import ImageFetcher
from facebeam.transforms.steps.publish import read_record

_NAMES: Final = [flag.name for group in (PictureOptions, DownloadOptions) for flag in fields(group)]


def download_flags(output: str, runs: Sequence[str]) -> Mapping[str, object]:
    """Give the flags about downloads with the same value in all of the runs: field name -> value."""
    recorded = [read_record(Layout(output, run)).facts.options for run in runs]
    agreed: dict[str, object] = {}
    for name in _NAMES:
        values = [options.get(name) for options in recorded]
        if values and values[0] is not None and all(value == values[0] for value in values):
            agreed[name] = values[0]
    return agreed


def picture_fetcher(options: DownloadOptions, *, allow_local_files: bool) -> ImageFetcher:
    """Describe how pictures are fetched; raises RunError if `--ca-file` cannot be read."""
    fetcher = image_fetcher(options, authorities(options.ca_file, {}))
    return replace(fetcher, allow_local_files=allow_local_files, folder=os.getcwd())  # noqa: PTH109 - a str
