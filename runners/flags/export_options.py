"""The flags of `facebeam export`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Literal

from facebeam.runners.exit_codes import BY_SIGNAL
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.flag import Flag, OptionsParser
from facebeam.runners.flags.result_options import PictureOptions, TablesFolder, Umask
from facebeam.runners.flags.shared_options import DownloadOptions, TalkOptions

Format = Literal["parquet", "coco", "webdataset"]

EPILOG: Final = f"""\
examples:
  facebeam export --output out --newest --format parquet --to faces/
  facebeam export --output out --run latest --format coco --to coco/
  facebeam export --output out --newest --format webdataset --to gs://bucket/shards

exit codes:
  0  the export is complete
  2  a flag or the output is wrong, or the folder cannot be written; nothing is left in the folder
{BY_SIGNAL}; nothing is left in the folder
"""


@dataclass(frozen=True, kw_only=True)
class _What:
    TITLE: ClassVar[str] = "what is exported"

    output: TablesFolder
    format: Annotated[
        Format,
        Flag(
            "parquet: flat files with all columns, and a dataset card; coco: keypoints in JSON; "
            "webdataset: tar files with images and points",
            str,
            choices=("parquet", "coco", "webdataset"),
        ),
    ]
    to: Annotated[str, Flag("new folder to write into, on any file system", types.path, "DIR")]
    newest: Annotated[bool, Flag("export only the newest answer of each image", instead_of="run")] = False
    run: Annotated[
        str | None,
        Flag(
            "export only this run; 'latest': the run that was committed last",
            types.run_id,
            "ID",
            default_is="every committed run",
            instead_of="newest",
        ),
    ] = None
    key: Annotated[
        Literal["image_url", "image_id"],
        Flag("column that names an image, for --newest", str, choices=("image_url", "image_id")),
    ] = "image_url"
    umask: Umask = 0o077


@dataclass(frozen=True, kw_only=True)
class ExportOptions(_What, PictureOptions, DownloadOptions, TalkOptions):
    """What the user asked for; every value is checked."""

    flags: tuple[str, ...] = ()
    """The command line, to be parsed again with what the exported runs used."""


def export_parser() -> OptionsParser[ExportOptions]:
    """Build the parser of `facebeam export`."""
    return OptionsParser(
        ExportOptions,
        "facebeam export",
        "Write the answers of committed runs into a new folder, in a format that other tools read.",
        EPILOG,
    )


def parse_export(argv: Sequence[str], inherited: Mapping[str, object] | None = None) -> ExportOptions:
    """Parse and check the flags of an export; a wrong one ends the process with exit code 2.

    Args:
        argv: the command line.
        inherited: defaults that replace our own: what the exported runs used.
    """
    return replace(export_parser().parse_all(argv, inherited), flags=tuple(argv))
