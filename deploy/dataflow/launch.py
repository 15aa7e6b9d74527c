"""Start `facebeam annotate` in a Flex template: what Dataflow's launcher passes, spelt as our flags.

The launcher runs this file with `--name=value` for each parameter of flex_template.json, and adds Beam's
`--runner=DataflowRunner`, `--project`, `--region`, `--temp_location`, `--staging_location`, `--job_name`,
`--template_location` and what the launch's environment sets. Never run by the real launcher so far.
"""

import sys
from collections.abc import Iterable, Iterator

from facebeam.runners.cli import main
from facebeam.runners.flags.options import run_parser
from facebeam.runners.flags.strict_parser import flag_names


def our_flags(launched: Iterable[str]) -> Iterator[str]:
    """Spell the flags that we know as `facebeam annotate` does; leave the rest to Beam.

    >>> list(our_flags(["--runner=DataflowRunner", "--run_id=one", "--workers=", "--job_name=x"]))
    ['--runner=dataflow', '--run-id=one', '--job_name=x']
    """
    ours = set(flag_names(run_parser()))
    for argument in launched:
        name, _, value = argument.partition("=")
        flag = name.replace("_", "-")
        if flag == "--runner":
            yield "--runner=dataflow"
        elif flag not in ours:
            yield argument
        elif value == "true":  # a template has no flags without a value
            yield flag
        elif value not in ("", "false"):
            yield f"{flag}={value}"


if __name__ == "__main__":
    # The launcher waits for this process alone; the job itself commits the run.
    sys.exit(main(["annotate", *our_flags(sys.argv[1:]), "--detach", "--log-format=json"]))
