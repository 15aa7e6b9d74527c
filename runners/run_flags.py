"""The flags of a run, as `--help` tells them; cheap, since nothing heavy is imported here."""

import argparse
from typing import Final

from runners import option_types as types
from runners.cluster_options import add_cluster_flags
from runners.download_options import add_download_flags
from runners.exit_codes import MEANINGS
from runners.strict_parser import StrictParser, add_talk_flags

EXAMPLES: Final = """\
examples:
  facebeam annotate --manifest photos.csv --output out/
  facebeam annotate --manifest 'shots/*.jsonl.gz' --output out/ --mode 1 --workers 4
  facebeam annotate --manifest files.txt --output out/ --allow-local-files
  facebeam annotate --source api --manifest urls.csv --output out/ --rate 20 --stop-at 06:00
  facebeam annotate --runner flink --flink-master flink:8081 --worker-pool localhost:50000 \\
      --manifest s3://bucket/urls.csv --output s3://bucket/out
  facebeam annotate --manifest out/dead_letters/run=<id>/*/*.parquet --output out/
"""


def run_parser(prog: str = "facebeam annotate") -> StrictParser:
    """Build the parser of `facebeam annotate`, which `plan` and `replay` share."""
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
    add_download_flags(parser)
    _add_api_flags(parser)
    add_cluster_flags(parser)
    add_talk_flags(parser)
    return parser


def _add_data_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--manifest",
        nargs="+",
        action="extend",
        required=True,
        type=types.path,
        metavar="PATH",
        help="files or globs of .txt, .csv, .tsv, .jsonl (each also .gz) or .parquet, on any file system; "
        "'-' reads standard input; with --allow-local-files also a folder or a glob of images",
    )
    group.add_argument(
        "--output", required=True, type=types.path, metavar="DIR", help="folder of the tables of all runs"
    )
    group.add_argument(
        "--url-column", default="image_url", metavar="C", help="the manifest's column of URLs (%(default)s)"
    )
    part = group.add_mutually_exclusive_group()
    part.add_argument(
        "--limit", type=types.count, metavar="N", help="take only the first N rows of the manifest"
    )
    part.add_argument(
        "--sample",
        type=types.count,
        metavar="N",
        help="take N rows at random, the same ones each time; the manifest is read twice",
    )
    group.add_argument(
        "--run-id",
        type=types.chosen_run_id,
        metavar="ID",
        help="name of the run (default: UTC time and a short digest)",
    )
    group.add_argument(
        "--umask",
        type=types.umask,
        default="077",
        metavar="OCTAL",
        help="rights that nobody gets on what this process writes (default: %(default)s, only you may read "
        "it; 027 lets your group read)",
    )
    group.add_argument(
        "--journal",
        type=types.full_path,
        metavar="DIR",
        help="where answers are kept, so that none is asked for twice (default: OUTPUT/responses)",
    )
    group.add_argument(
        "--max-age", type=types.duration_s, metavar="T", help="ask again for answers older than 12h, 30d, ..."
    )


def _add_face_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faces")
    group.add_argument(
        "--source",
        choices=("local", "api", "fake"),
        default="local",
        help="local: the model here; api: the web API; fake: made-up faces, to rehearse (%(default)s)",
    )
    group.add_argument(
        "--mode", type=int, choices=(0, 1), default=0, help="0: all faces, 1: the largest (%(default)s)"
    )
    group.add_argument(
        "--need-rotate-detection",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: look for turned faces too; locally at four times the detector's cost (%(default)s)",
    )
    group.add_argument(
        "--allow-local-files",
        action="store_true",
        help="take paths, file://, gs://, s3:// and hdfs:// as images, not only http and https",
    )
    group.add_argument(
        "--allow-private-urls",
        action="store_true",
        help="download from private addresses too, or have the service do so",
    )


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--workers",
        type=types.models,
        metavar="N",
        help="local models that work at a time, or 'auto': one a core; on a cluster one a shard (auto)",
    )
    group.add_argument(
        "--timeout",
        type=types.duration_s,
        metavar="T",
        help="give an attempt up after 20s, 2m, ... (a call to the web API after 75s, a download after 60s)",
    )
    group.add_argument(
        "--trust-proxies",
        action="store_true",
        help="trust the certificate authorities that the environment names (REQUESTS_CA_BUNDLE, "
        "CURL_CA_BUNDLE or SSL_CERT_FILE), and send web API calls through its proxies; downloads never use "
        "a proxy",
    )
    group.add_argument(
        "--max-failure-share",
        type=types.share,
        default=0.05,
        metavar="X",
        help="exit 3 when more than this share of the rows are dead letters, 0 to 1 (%(default)s)",
    )
    group.add_argument(
        "--ask-again",
        type=types.codes,
        default=(),
        metavar="CODES",
        help="error codes, ok or no_face: stored answers of these do not count",
    )


def _add_api_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("web API (--source api); the token: ACEDATACLOUD_API_TOKEN, or a flag")
    group.add_argument(
        "--rate",
        type=types.rate,
        default=10.0,
        metavar="R",
        help="calls a second at most, retries included, or 'unlimited' (%(default)g)",
    )
    group.add_argument("--budget-calls", type=types.count, metavar="N", help="send at most so many calls")
    group.add_argument(
        "--budget-credits", type=types.credit, metavar="X", help="spend at most so many credits"
    )
    group.add_argument(
        "--price", type=types.credit, default=0.0025, metavar="P", help="credits a call (%(default)s)"
    )
    group.add_argument(
        "--stop-at", type=types.time_of_day, metavar="HH:MM", help="send nothing after this time"
    )
    group.add_argument(
        "--max-duration", type=types.duration_s, metavar="T", help="send nothing after 90s, 45m, 5h, ..."
    )
    group.add_argument(
        "--window",
        type=types.window,
        metavar="N",
        help="calls in flight at most, or 'auto': what rate and latency need (auto)",
    )
    group.add_argument(
        "--base-url",
        type=types.base_url,
        default="https://api.acedata.cloud",
        metavar="URL",
        help="the service (%(default)s)",
    )
    group.add_argument(
        "--face-model-version",
        type=types.model_version,
        default="3.0",
        metavar="V",
        help="the service's model (%(default)s)",
    )
    group.add_argument(
        "--token-file", type=types.full_path, metavar="PATH", help="a file that holds the token"
    )
    group.add_argument("--token-secret", metavar="NAME", help="projects/.../secrets/... of Secret Manager")
