"""Carry out every measurement, one after another: `python -m benchmarks [FACES]`, some fifteen minutes.

FACES is a folder of labelled photographs for the accuracy; without it that is left out.
"""

import subprocess
import sys

MEASUREMENTS = ("start_up", "pipeline_cost", "manifest_scale", "api_run", "journal", "serve")


def main(faces: list[str]) -> None:
    """Run each in a process of its own."""
    for name in MEASUREMENTS:
        _run(name)
    if faces:
        _run("accuracy", *faces)


def _run(name: str, *arguments: str) -> None:
    print(f"\npython -m benchmarks.{name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
