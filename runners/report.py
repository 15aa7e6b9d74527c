"""`facebeam report`: write a committed run as one HTML page, with pictures of its faces."""

from functools import partial
from uuid import uuid4

from facebeam.runners.compare import sides
from facebeam.runners.exit_codes import DONE
from facebeam.runners.flags.report_options import ReportOptions, parse_report
from facebeam.runners.image_fetcher import download_flags, picture_fetcher
from facebeam.runners.logs import LOGGER
from facebeam.runners.output_folder import without_rights
from facebeam.runners.prepare_run import use_remote_files
from facebeam.runners.show_progress import WatchStages, show_progress
from facebeam.runners.summary import spent_credits
from facebeam.schemas.layout import Layout
from facebeam.transforms.files.any_store import write_whole
from facebeam.transforms.images.fetch_image import Fetch
from facebeam.transforms.results.chosen_rows import ChosenRows, committed_tables, run_called
from facebeam.transforms.results.compare_runs import Comparison, compare_runs
from facebeam.transforms.results.comparison_view import comparison_view
from facebeam.transforms.results.dead_examples import dead_examples
from facebeam.transforms.results.report_page import ShownRun, report_page
from facebeam.transforms.results.report_sections import report_sections
from facebeam.transforms.results.survey_run import survey_run
from facebeam.transforms.steps.progress import PROGRESS
from facebeam.transforms.steps.publish import read_record


def report(options: ReportOptions) -> int:
    """Write the report of the run that the options name; give the exit code.

    Raises:
        RunError: the output has no such run, or the page cannot be written.
    """
    use_remote_files([options.output, options.with_output])
    run = run_called(committed_tables(options.output), options.output, options.run)
    options = parse_report(options.flags, download_flags(options.output, [run]))
    layout = Layout(options.output, run)
    page = _page(layout, options)
    with without_rights(options.umask):
        write_whole(layout.report, page.encode(), f"{layout.report}.{uuid4().hex}")
    LOGGER.info(
        "the report of run %s is %s",
        run,
        layout.report,
        extra={"fields": {"event": "reported", "run_id": run, "report": layout.report}},
    )
    return DONE


def _page(layout: Layout, options: ReportOptions) -> str:
    """Read the run's tables, fetch pictures, and make the page."""
    rows = ChosenRows(options.output, layout.run_id)
    fetcher = picture_fetcher(options, allow_local_files=options.allow_local_files)
    with show_progress(WatchStages(), options), fetcher.open() as opened:
        PROGRESS.begin("reading tables")
        found = _comparison(layout.run_id, options)
        survey = survey_run(rows, options.images)
        PROGRESS.begin("fetching pictures", options.images)
        fetch = partial(_fetch_one, opened)
        view = comparison_view(found, options.images // 2, fetch) if found else None
        taken = sum(len(section.tiles) for section in view.sections) if view else 0
        sections = report_sections(rows, survey, options.images - taken, fetch)
    record = read_record(layout)
    shown = ShownRun(options.output, record, spent_credits(record), dead_examples(layout, record))
    return report_page(shown, survey, [*(view.sections if view else ()), *sections], view)


def _fetch_one(fetch: Fetch, url: str) -> bytes:
    """Fetch an image, and count it."""
    try:
        return fetch(url)
    finally:
        PROGRESS.steps += 1


def _comparison(run: str, options: ReportOptions) -> Comparison | None:
    """Compare the run with another one, if the options name one."""
    if not options.has_other:
        return None
    return compare_runs(*sides(options.output, run, options), options.key, options.images // 2)
