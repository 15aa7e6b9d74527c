"""Build the pipeline of a run: a manifest in, three tables out.

ReadManifest --rows--> AnnotateImages --annotations----> WriteFaces, WriteImages --+
     |                       +----------dead letters---> WriteDeadLetters ---------|
     |---dead letters----------------------------------> WriteBadRows -------------|
     |---counts----------------------------------------> CommitRun <---------------+
"""

import sys
from collections.abc import Collection
from dataclasses import dataclass, field

import apache_beam as beam
from apache_beam.pvalue import PCollection

from facebeam.schemas.layout import Layout
from facebeam.schemas.run_record import RunFacts
from facebeam.schemas.values import AskedBy, DeadLetter
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.manifest.inspect_manifest import Manifest
from facebeam.transforms.sources.face_source import FaceSource
from facebeam.transforms.steps.annotate_images import AnnotatedImages, AnnotateImages
from facebeam.transforms.steps.commit_run import CommitRun
from facebeam.transforms.steps.flatten import flatten_dead_letters, flatten_faces, flatten_images
from facebeam.transforms.steps.leases import ShardLeases
from facebeam.transforms.steps.questions import Question
from facebeam.transforms.steps.read_manifest import ReadManifest
from facebeam.transforms.steps.write_table import StagedFile, WriteTable

__all__ = ["Run", "build"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that decides what a run does; it does not depend on the engine."""

    layout: Layout
    manifest: Manifest
    source: FaceSource
    journal: Journal
    question: Question = field(default_factory=Question)
    shards: int = 1
    ask_again: Collection[str] = ()
    """Error codes, 'ok' or 'no_face': the run asks again about images whose stored result is one of these."""
    min_score: float = 0.0
    """Faces with a lower score are left out of the tables; the journal stores them."""
    asked_by: AskedBy | None = None
    """This run, and this try of it. None: the journal does not record who asked."""
    facts: RunFacts = field(default_factory=RunFacts)
    """Versions, options and start of the run, for its record."""


def build(root: beam.Pipeline, run: Run) -> PCollection[str]:
    """Add the steps of a run to a pipeline; the result is the id of the committed run."""
    manifest = root | ReadManifest(run.manifest)
    annotated = manifest.rows | AnnotateImages(
        run.source,
        run.journal,
        question=run.question,
        shards=run.shards,
        ask_again=run.ask_again,
        min_score=run.min_score,
        asked_by=run.asked_by,
        leases=ShardLeases(run.layout.leases),
        rows_folder=run.layout.rows,
    )
    staged = _write_tables(run, annotated, manifest.dead_letters)
    return staged | CommitRun(
        run.layout, manifest.row_counts, annotated.calls, run.manifest.columns, run.facts
    )


def error_code_folder(letter: DeadLetter) -> str:
    """Give the folder of a dead letter, named after its error code."""
    return f"error_code={letter.failure.code}"


def _write_tables(
    run: Run, annotated: AnnotatedImages, bad_rows: PCollection[DeadLetter]
) -> PCollection[StagedFile]:
    """Write each collection by its own step: Beam's local runner holds the inputs of a Flatten in memory."""
    columns, layout = run.manifest.columns, run.layout
    images = WriteTable("images", flatten_images, columns, layout)
    dead_letters = WriteTable("dead_letters", flatten_dead_letters, columns, layout, error_code_folder)
    return (
        annotated.annotations | "WriteFaces" >> WriteTable("faces", flatten_faces, columns, layout),
        annotated.annotations | "WriteImages" >> images,
        annotated.dead_letters | "WriteDeadLetters" >> dead_letters,
        bad_rows | "WriteBadRows" >> dead_letters,
    ) | "AllFiles" >> beam.Flatten()


if __name__ == "__main__":
    sys.stderr.write("This module only describes the pipeline; to run it, type: facebeam annotate --help\n")
    sys.exit(2)
