"""Which journal a run uses; in a file of its own, since it imports Beam."""

from runners.options import RunOptions
from schemas.layout import Layout
from transforms.journal.journal import Journal


def choose_journal(options: RunOptions) -> Journal:
    """Describe the journal: the output's own, unless another is named."""
    return Journal(options.journal or Layout(options.output, "").journal, options.max_age)
