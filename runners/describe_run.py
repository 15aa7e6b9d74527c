"""From checked flags to the run that a pipeline is built from."""

from datetime import UTC, datetime

from pipelines.annotate_manifest import Run
from runners.choose_journal import choose_journal
from runners.options import RunOptions
from runners.output_folder import first_tried_at
from runners.prepare_run import choose_source, facts_of, shards_for
from schemas.layout import Layout
from transforms.inspect_manifest import Manifest


def describe_run(options: RunOptions, layout: Layout, manifest: Manifest) -> Run:
    """Describe a run; its journal is seen to be writable, nothing else is done.

    Raises:
        RunError: the journal cannot be written, or the shards cannot share the rate.
    """
    journal = choose_journal(options)
    journal.check_writable()
    source, shards = choose_source(options), shards_for(options, manifest)
    began_at = datetime.now(UTC)
    source.for_shard(0, shards)  # tells whether they can share what the source may do
    return Run(
        layout,
        manifest,
        source,
        journal,
        options.mode,
        options.need_rotate_detection,
        shards,
        options.ask_again,
        first_tried_at(layout),
        began_at,
        facts_of(options, manifest, began_at),
    )
