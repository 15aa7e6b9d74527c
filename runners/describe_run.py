"""Describe a run from the checked flags; the pipeline is built from this description."""

from datetime import UTC, datetime
from uuid import uuid4

from facebeam.pipelines.annotate_manifest import Run
from facebeam.runners.flags.options import RunOptions
from facebeam.runners.prepare_run import (
    check_shards,
    choose_source,
    facts_of,
    journal_path,
    limits_of,
    shards_for,
)
from facebeam.schemas.layout import Layout
from facebeam.schemas.values import AskedBy
from facebeam.transforms.files.any_store import exists, read_json, write_json
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.steps.questions import Question


def choose_journal(options: RunOptions) -> Journal:
    """Describe the journal: the one in the output, unless `--journal` names another."""
    return Journal(journal_path(options), options.max_age)


def describe_run(options: RunOptions, layout: Layout, manifest: Manifest) -> Run:
    """Describe a run, and check that its journal can be written.

    Raises:
        RunError: the journal cannot be written, or there are more shards than calls per second.
    """
    journal = choose_journal(options)
    journal.check_writable()
    began_at = datetime.now(UTC)
    source = choose_source(options, limits_of(options, began_at))
    shards = shards_for(options, manifest)
    check_shards(source, shards)
    return Run(
        layout=layout,
        manifest=manifest,
        source=source,
        journal=journal,
        question=question_of(options),
        shards=shards,
        ask_again=options.ask_again,
        min_score=options.min_score,
        asked_by=asked_by(layout),
        facts=facts_of(options, manifest, began_at),
    )


def question_of(options: RunOptions) -> Question:
    """Give the question that the flags ask about every image."""
    return Question(mode=options.mode, need_rotate_detection=options.need_rotate_detection)


def asked_by(layout: Layout) -> AskedBy:
    """Name this try of a run; the first try writes the run's unique name into a file for later tries."""
    if exists(layout.first_try):
        run = str(read_json(layout.first_try)["run"])
    else:
        run = uuid4().hex
        write_json(layout.first_try, {"run": run})
    return AskedBy(run, uuid4().hex)
