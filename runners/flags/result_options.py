"""Flags that the commands about committed runs share."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag

TablesFolder = Annotated[str, Flag("folder of the tables of all runs", types.path, "DIR")]
Umask = Annotated[
    int,
    Flag(
        "rights that nobody gets on what this process writes",
        types.umask,
        "OCTAL",
        default_is="077, only you may read it",
    ),
]


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Where pictures may come from."""

    TITLE: ClassVar[str] = "pictures; these flags and those of downloads keep the values of the run"

    allow_local_files: Annotated[
        bool, Flag("read images that are paths, file://, gs://, s3:// or hdfs://, not only http and https")
    ] = False


@dataclass(frozen=True, kw_only=True)
class OtherRunOptions:
    """Which run another one is compared with."""

    TITLE: ClassVar[str] = "the other run"

    with_: Annotated[
        str | None,
        Flag(
            "run to compare with; 'latest': the run that was committed last",
            types.run_id,
            "ID",
            default_is="latest, if --with-output is given",
        ),
    ] = None
    with_output: Annotated[
        str | None,
        Flag("folder of the tables of the other run", types.path, "DIR", default_is="--output"),
    ] = None
    key: Annotated[
        Literal["image_url", "image_id"],
        Flag(
            "column by which an image of one run is found in the other",
            str,
            choices=("image_url", "image_id"),
        ),
    ] = "image_url"

    @property
    def has_other(self) -> bool:
        """Whether another run is named."""
        return self.with_ is not None or self.with_output is not None
