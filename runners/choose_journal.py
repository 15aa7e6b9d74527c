"""Which journal a run uses; in a file of its own, since it imports Beam."""

from runners.options import RunOptions
from runners.prepare_run import journal_path
from transforms.journal.journal import Journal


def choose_journal(options: RunOptions) -> Journal:
    """Describe the journal: the output's own, unless another is named."""
    return Journal(journal_path(options), options.max_age)
