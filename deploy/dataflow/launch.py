"""Start `facebeam annotate` from a Flex template: translate the launcher's arguments into facebeam's flags.

Dataflow's launcher runs this file with `--name=value` for each parameter of flex_template.json. It adds
Beam's `--runner=DataflowRunner`, `--project`, `--region`, `--temp_location`, `--staging_location`,
`--job_name`, `--template_location` and the flags that the launch's environment sets. Not tested with the real
launcher.
"""

import sys
from collections.abc import Iterable, Iterator

from facebeam.runners.cli import main
from facebeam.runners.flags.options import run_parser
from facebeam.runners.flags.strict_parser import flag_names


def our_flags(launched: Iterable[str]) -> Iterator[str]:
    """Spell facebeam's flags as `facebeam annotate` does; pass other flags on unchanged, for Beam.

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
        elif value == "true":  # a parameter of a template always has a value
            yield flag
        elif value not in ("", "false"):
            yield f"{flag}={value}"


if __name__ == "__main__":
    # The launcher waits only for this process, so detach: the job commits the run itself.
    sys.exit(main(["annotate", *our_flags(sys.argv[1:]), "--detach", "--log-format=json"]))
