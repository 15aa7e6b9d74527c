"""The flags of `facebeam annotate`: strict, checked, and cheap, since nothing heavy is imported here."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, NoReturn

from runners.exit_codes import MEANINGS

EXAMPLES: Final = """\
examples:
  facebeam annotate --manifest photos.csv --output out/
  facebeam annotate --manifest 'shots/*.jsonl.gz' --output out/ --mode 1 --workers 4
  facebeam annotate --manifest files.txt --output out/ --allow-local-files
  facebeam annotate --manifest out/dead_letters/run=<id>/*/*.parquet --output out/
"""

MOST_WORKERS: Final = 256


@dataclass(frozen=True)
class AnnotateOptions:
    """What the user asked for; every value is checked."""

    manifest: tuple[str, ...]
    output: str
    source: Literal["local", "fake"]
    run_id: str | None
    url_column: str
    mode: Literal[0, 1]
    need_rotate_detection: Literal[0, 1]
    allow_local_files: bool
    allow_private_urls: bool
    workers: int
    max_failure_share: float
    quiet: bool
    log_format: Literal["text", "json"]
    beam_flags: tuple[str, ...]
    """What is not ours, for Beam's own parsers to judge."""


class StrictParser(argparse.ArgumentParser):
    """A parser that answers an error in one line; made with `allow_abbrev=False`."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2, naming the cure."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def annotate_parser(prog: str = "facebeam annotate") -> StrictParser:
    """Build the parser of `facebeam annotate`."""
    parser = StrictParser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Annotate every image of a manifest with 90 landmarks a face, into Parquet tables.",
        epilog=f"{EXAMPLES}\n{MEANINGS}\nBeam's own flags (--direct_num_workers ...) are taken as well.",
    )
    _add_data_flags(parser)
    _add_face_flags(parser)
    _add_run_flags(parser)
    _add_talk_flags(parser)
    return parser


def parse_annotate(argv: Sequence[str], prog: str = "facebeam annotate") -> AnnotateOptions:
    """Parse and check the flags of one run; a wrong one ends the process with exit code 2."""
    parser = annotate_parser(prog)
    known, beam_flags = parser.parse_known_args(argv)
    values = vars(known) | {"manifest": tuple(known.manifest), "beam_flags": tuple(beam_flags)}
    if stray := [flag for flag in beam_flags[:1] if not flag.startswith("--")]:
        parser.error(f"{stray[0]!r} belongs to no flag; several manifests follow one --manifest")
    return AnnotateOptions(**{field.name: values[field.name] for field in fields(AnnotateOptions)})


def flag_names(parser: argparse.ArgumentParser) -> list[str]:
    """List a parser's long flags."""
    return [flag for flag in parser._option_string_actions if flag.startswith("--")]  # noqa: SLF001 - argparse has no public list of them


def _add_data_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--manifest",
        nargs="+",
        action="extend",
        required=True,
        type=_path,
        metavar="PATH",
        help="files or globs of .txt, .csv, .tsv, .jsonl (each also .gz) or .parquet, on any file system",
    )
    group.add_argument(
        "--output", required=True, type=_path, metavar="DIR", help="folder of the tables of all runs"
    )
    group.add_argument(
        "--url-column", default="image_url", metavar="C", help="the manifest's column of URLs (%(default)s)"
    )
    group.add_argument(
        "--run-id", type=_run_id, metavar="ID", help="name of the run (default: UTC time and a short digest)"
    )


def _add_face_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    group.add_argument(
        "--source",
        choices=("local", "fake"),
        default="local",
        help="local: the model on this machine; fake: made-up faces, to rehearse a run (%(default)s)",
    )
    group.add_argument(
        "--mode", type=int, choices=(0, 1), default=0, help="0: all faces, 1: the largest (%(default)s)"
    )
    group.add_argument(
        "--need-rotate-detection",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: look for turned faces too, at four times the detector's cost (%(default)s)",
    )
    group.add_argument(
        "--allow-local-files",
        action="store_true",
        help="take paths, file://, gs://, s3:// and hdfs:// as images, not only http and https",
    )
    group.add_argument(
        "--allow-private-urls",
        action="store_true",
        help="download from private and loopback addresses too",
    )


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--workers",
        type=_workers,
        default=_cores(),
        metavar="N",
        help="images that are worked on at a time, or 'auto': one a core (auto)",
    )
    group.add_argument(
        "--max-failure-share",
        type=_share,
        default=0.05,
        metavar="X",
        help="exit 3 when more than this share of the rows are dead letters, 0 to 1 (%(default)s)",
    )


def _add_talk_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it says")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")
    group.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="json: one object a line (%(default)s)"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _path(text: str) -> str:
    """Refuse what a shell makes of a variable that is not set: as an output it would mean the root folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no path; '.' is this folder")
    return text


def _run_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot name a folder: 1 to 100 letters, digits, '.', '_' or '-', no mark first"
        )
    return text


def _workers(text: str) -> int:
    if text == "auto":
        return _cores()
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number from 1 to {MOST_WORKERS}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share
