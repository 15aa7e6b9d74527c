"""Run all measurements, one after another, in about half an hour: `python -m benchmarks [FACES]`.

FACES is a folder of labelled photographs. Without it, the accuracy is not measured.
"""

import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

MEASUREMENTS = (
    "start_up",
    "pipeline_cost",
    "worker_memory",
    "manifest_scale",
    "api_run",
    "journal",
    "sizes",
    "results",
    "serve",
)


def main(faces: str | None) -> None:
    """Run each measurement in its own process."""
    for name in MEASUREMENTS:
        _run(name)
    if faces:
        _run("accuracy", faces)


def _run(name: str, *arguments: str) -> None:
    print(f"\npython -m benchmarks.{name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("faces", metavar="FACES", nargs="?", help="a folder with truth.json")
    main(parser.parse_args().faces)
