"""What runs that died have left behind in the output, before another one starts there."""

from functools import partial

from runners.logs import LOGGER
from runners.output_folder import claim_dead_run
from schemas.layout import Layout
from transforms.publish import resume, sweep_staging


def finish_earlier_runs(layout: Layout) -> bool:
    """Publish what was checked, delete what was not; tell whether this very run is committed by that."""
    sweep_staging(layout.output, partial(claim_dead_run, layout.output))
    committed = resume(layout)
    if committed:
        LOGGER.info("run %s had been checked but not published when it was cut off: now it is", layout.run_id)
    return committed
