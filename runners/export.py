"""`facebeam export`: write the answers of committed runs in another format, into a new folder."""

from collections.abc import Mapping

from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.export_options import ExportOptions, parse_export
from facebeam.runners.image_fetcher import download_flags, picture_fetcher
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import without_rights
from facebeam.runners.prepare_run import use_remote_files
from facebeam.runners.show_progress import WatchStages, show_progress
from facebeam.transforms.results.chosen_rows import ChosenRows, committed_tables, run_called
from facebeam.transforms.results.export_coco import export_coco
from facebeam.transforms.results.export_parquet import export_parquet
from facebeam.transforms.results.export_webdataset import export_webdataset
from facebeam.transforms.results.new_folder import new_folder
from facebeam.transforms.steps.progress import PROGRESS


def export(options: ExportOptions) -> int:
    """Export the rows that the options choose; give the exit code.

    Raises:
        RunError: the output has no such run, the folder exists, or it cannot be written.
    """
    use_remote_files([options.output, options.to])
    tables = committed_tables(options.output)
    run = None if options.run is None else run_called(tables, options.output, options.run)
    if options.format == "webdataset":
        used = download_flags(options.output, tables.runs if run is None else [run])
        options = parse_export(options.flags, used)
    PROGRESS.begin("exporting rows")
    progress = show_progress(WatchStages(), options)
    with progress, without_rights(options.umask), new_folder(options.to) as folder:
        rows = ChosenRows(options.output, run, options.newest, options.key)
        counts = _write(rows, options, folder)
    if len(rows.models) > 1:
        models = ", ".join(" ".join(model) for model in sorted(rows.models))
        LOGGER.warning("the faces come from models that differ: %s; --run exports one run only", models)
    _tell(options, counts)
    return DONE


def _write(rows: ChosenRows, options: ExportOptions, folder: str) -> dict[str, int]:
    match options.format:
        case "parquet":
            written = export_parquet(rows, folder)
            return {"images": written.images, "faces": written.faces}
        case "coco":
            images, faces = export_coco(rows, folder)
            return {"images": images, "faces": faces}
        case "webdataset":
            with picture_fetcher(options, allow_local_files=options.allow_local_files).open() as fetch:
                shipped = export_webdataset(rows, fetch, folder)
            return {"images": shipped.images, "faces": shipped.faces, "not_fetched": shipped.not_fetched}


def _tell(options: ExportOptions, counts: Mapping[str, int]) -> None:
    missing = counts.get("not_fetched", 0)
    LOGGER.info(
        "%d images with %d faces are in %s%s",
        counts["images"],
        counts["faces"],
        options.to,
        f"; {missing} images could not be fetched: see not_fetched.jsonl there" if missing else "",
        extra={"fields": {"event": "exported", "format": options.format, "to": options.to, **counts}},
    )
