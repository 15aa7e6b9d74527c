"""Carry out every measurement, one after another: `python -m benchmarks [FACES]`, some fifteen minutes.

FACES is a folder of labelled photographs for the accuracy; without it that is left out.
"""

import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

MEASUREMENTS = (
    *("start_up", "pipeline_cost", "manifest_scale", "api_run", "journal", "sizes", "results", "serve"),
)


def main(faces: str | None) -> None:
    """Run each in a process of its own."""
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
