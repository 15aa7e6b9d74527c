"""Flags that the commands about committed runs share."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from facebeam.runners.flags.flag import Flag


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Where pictures may come from."""

    TITLE: ClassVar[str] = "pictures; these flags and those of downloads keep the values of the run"

    allow_local_files: Annotated[
        bool, Flag("read images that are paths, file://, gs://, s3:// or hdfs://, not only http and https")
    ] = False
