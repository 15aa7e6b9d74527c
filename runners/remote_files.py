"""Tell Beam's file systems their flags before there is a pipeline: `s3://` does not work without them."""

from collections.abc import Iterable, Sequence

from runners.option_types import Runner
from transforms.manifest_formats.open_manifest import is_remote


def use_remote_files(
    paths: Iterable[str | None], beam_flags: Sequence[str] = (), runner: Runner = "local"
) -> None:
    """Prepare Beam's file systems if one of the paths is remote; Beam is imported only then.

    Raises:
        RunError: a flag of Beam's is wrong.
    """
    if not any(path and is_remote(path) for path in paths):
        return
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415 - slow

    from runners.beam_flags import check_beam_flags  # noqa: PLC0415 - imports Beam

    FileSystems.set_options(check_beam_flags(beam_flags, runner))
