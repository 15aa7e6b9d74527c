"""The flags of a run: each one once, with its type, rule, help and default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from facebeam.runners.exit_codes import BY_SIGNAL, MEANINGS
from facebeam.runners.flags import option_types as types
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.flag import Flag, Inherited, OptionsParser
from facebeam.runners.flags.shared_options import DownloadOptions, NotifyOptions, TalkOptions

EXAMPLES: Final = """\
examples:
  facebeam annotate --manifest photos.csv --output out/
  facebeam annotate --manifest 'shots/*.jsonl.gz' --output out/ --mode 1 --workers 4
  facebeam annotate --manifest photos/ --output out/ --allow-local-files
  facebeam annotate --source api --manifest urls.csv --output out/ --rate 20 --stop-at 06:00
  facebeam annotate --runner flink --flink-master flink:8081 --worker-pool localhost:50000 \\
      --manifest s3://bucket/urls.csv --output s3://bucket/out
  facebeam annotate --manifest out/dead_letters/run=<id>/*/*.parquet --output out/
"""
PLAN_EPILOG: Final = f"""\
examples:
  facebeam plan --manifest urls.csv --output out/
  facebeam plan --manifest urls.csv --output out/ --rate 20 --stop-at 06:00 --budget-calls 10000
  facebeam plan --source local --manifest photos.csv --output out/

exit codes:
  0  the plan is printed
  2  a flag, the manifest or the set-up is wrong
{BY_SIGNAL}
"""
_BEAM_TOO: Final = "Beam's own flags (--direct_num_workers, ...) work too."

USUAL_SERVICE: Final = "https://api.acedata.cloud"
Source = Literal["local", "api", "fake"]
PAID: Final = frozenset[Source]({"api"})
"""Sources whose calls cost credits."""
_API: Final = ("source", ("api",))
_LOCAL: Final = ("source", ("local",))


@dataclass(frozen=True, kw_only=True)
class _Data:
    TITLE: ClassVar[str] = "data"

    manifest: Annotated[
        tuple[str, ...],
        Flag(
            "files or globs of .txt, .csv, .tsv, .jsonl, .ndjson, .json (each also .gz) or .parquet, on any "
            "file system; '-' reads standard input; with --allow-local-files also a folder or a glob of "
            "images",
            types.path,
            "PATH",
            several=True,
            changes_rows=False,  # two tries of a run compare the contents of the manifest instead
        ),
    ]
    output: Annotated[str, Flag("folder of the tables of all runs", types.path, "DIR", changes_rows=False)]
    url_column: Annotated[str, Flag("column of URLs in the manifest", str, "C")] = "image_url"
    limit: Annotated[
        int | None,
        Flag("take only the first N rows of the manifest", types.count, "N", instead_of="sample"),
    ] = None
    sample: Annotated[
        int | None,
        Flag(
            "take N rows at random, the same rows each time; this reads the manifest twice",
            types.count,
            "N",
            instead_of="limit",
        ),
    ] = None
    run_id: Annotated[
        str | None,
        Flag(
            "name of the run",
            types.chosen_run_id,
            "ID",
            default_is="UTC time and a short digest",
            changes_rows=False,
        ),
    ] = None
    umask: Annotated[
        int,
        Flag(
            "rights to remove from all files that this process writes; with 027 your group can read them",
            types.umask,
            "OCTAL",
            default_is="077: only you can read them",
            changes_rows=False,
        ),
    ] = 0o077
    journal: Annotated[
        str | None,
        Flag(
            "folder of the journal, which stores all answers so that no image is paid for twice",
            types.full_path,
            "DIR",
            default_is="OUTPUT/responses",
            inherited=Inherited.QUESTION,
        ),
    ] = None
    max_age: Annotated[
        float | None,
        Flag("ignore stored answers that are older than this, for example 12h or 30d", types.duration_s, "T"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class _Faces:
    TITLE: ClassVar[str] = "faces"

    source: Annotated[
        Source,
        Flag(
            "local: the model on this machine; api: the web API; fake: made-up faces, to rehearse a run",
            str,
            choices=("local", "api", "fake"),
            inherited=Inherited.QUESTION,
        ),
    ] = "local"
    mode: Annotated[
        Literal[0, 1],
        Flag("0: all faces; 1: only the largest face", int, choices=(0, 1), inherited=Inherited.QUESTION),
    ] = 0
    need_rotate_detection: Annotated[
        Literal[0, 1],
        Flag(
            "1: also look for faces that are turned sideways or upside down; the local model's detector then "
            "costs four times as much",
            int,
            choices=(0, 1),
            inherited=Inherited.QUESTION,
        ),
    ] = 0
    min_score: Annotated[
        float,
        Flag(
            "leave out faces whose score is below X, 0 to 1; an image without another face ends as no_face. "
            "The journal keeps all faces, so that another X costs nothing",
            types.share,
            "X",
            default_is="0: keep all faces",
            only_with=_LOCAL,  # no other source gives a score
            inherited=Inherited.QUESTION,
        ),
    ] = 0.0
    allow_local_files: Annotated[
        bool,
        Flag(
            "accept paths, file://, gs://, s3:// and hdfs:// as images, not only http and https",
            inherited=Inherited.MANNER,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class _Run:
    TITLE: ClassVar[str] = "run"

    workers: Annotated[
        int | None,
        Flag(
            "number of local models that work in parallel, or 'auto'",
            types.models,
            "N",
            default_is="auto: one per CPU core on this machine, one per shard on a cluster",
            only_with=_LOCAL,
            changes_rows=False,
        ),
    ] = None
    shards: Annotated[
        int | None,
        Flag(
            "split the images into N groups that workers process in parallel; --rate and the budget are "
            "divided among them",
            types.shards,
            "N",
            default_is="1 for the API and on this machine, else by the manifest's size",
            changes_rows=False,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Flag(
            "time limit per attempt, for example 20s or 2m",
            types.duration_s,
            "T",
            default_is="75s per API call, 60s per download",
            only_with=("source", ("local", "api")),
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None
    stop_at: Annotated[
        datetime | None,
        Flag(
            "begin no image after this time of day; the run is committed, and the next one continues",
            types.time_of_day,
            "HH:MM",
            only_with=("source", ("local", "api")),
            changes_rows=False,  # each night the same time of day is another moment
        ),
    ] = None
    max_duration: Annotated[
        float | None,
        Flag(
            "begin no image later than this after the start, for example 90s, 45m or 5h",
            types.duration_s,
            "T",
            default_is="unlimited; on Dataflow 9d, before Dataflow ends the job",
            only_with=("source", ("local", "api")),
        ),
    ] = None
    trust_proxies: Annotated[
        bool,
        Flag(
            "trust the certificate authorities that the environment names (REQUESTS_CA_BUNDLE, "
            "CURL_CA_BUNDLE, SSL_CERT_FILE), and send web API calls through its proxies; downloads never use "
            "a proxy",
            only_with=("source", ("local", "api")),
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = False
    max_failure_share: Annotated[
        float,
        Flag("exit with 3 if a larger share of the rows, 0 to 1, are dead letters", types.share, "X"),
    ] = 0.05
    ask_again: Annotated[
        tuple[str, ...],
        Flag(
            "ask the source again for images whose stored result is one of these: error codes, 'ok' or "
            "'no_face', separated by commas",
            types.codes,
            "CODES",
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class _Api:
    TITLE: ClassVar[str] = "web API (--source api); the token: ACEDATACLOUD_API_TOKEN, or a flag"

    rate: Annotated[
        float | None,
        Flag(
            "largest number of calls per second, retries included, or 'unlimited'",
            types.rate,
            "R",
            default_is="10",
            only_with=_API,
            inherited=Inherited.MANNER,
        ),
    ] = 10.0
    budget_calls: Annotated[int | None, Flag("send at most N calls", types.count, "N", only_with=_API)] = None
    budget_credits: Annotated[
        float | None, Flag("spend at most X credits", types.credit, "X", only_with=_API)
    ] = None
    price: Annotated[
        float,
        Flag("credits per call", types.credit, "P", only_with=_API, inherited=Inherited.MANNER),
    ] = 0.0025
    window: Annotated[
        int | None,
        Flag(
            "largest number of calls in flight, or 'auto'",
            types.window,
            "N",
            default_is="auto: as many as rate and latency need",
            only_with=_API,
            changes_rows=False,
        ),
    ] = None
    base_url: Annotated[
        str,
        Flag("address of the service", types.base_url, "URL", only_with=_API, inherited=Inherited.QUESTION),
    ] = USUAL_SERVICE
    face_model_version: Annotated[
        str,
        Flag(
            "version of the service's model",
            types.model_version,
            "V",
            only_with=_API,
            inherited=Inherited.QUESTION,
        ),
    ] = "3.0"
    token_file: Annotated[
        str | None,
        Flag(
            "file that contains the token",
            types.full_path,
            "PATH",
            only_with=_API,
            instead_of="token_secret",
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None
    token_secret: Annotated[
        str | None,
        Flag(
            "secret of Secret Manager, such as projects/P/secrets/S, that contains the token",
            str,
            "NAME",
            only_with=_API,
            instead_of="token_file",
            inherited=Inherited.MANNER,
            changes_rows=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunOptions(_Data, _Faces, _Run, DownloadOptions, _Api, NotifyOptions, TalkOptions):
    """The checked flags of a run. Lengths of time are in seconds."""

    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    beam_flags: tuple[str, ...] = ()
    """Flags that are not ours; Beam's own parsers check them."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Path of a manifest that facebeam wrote -> what the user gave to `--manifest` instead of a file."""

    @property
    def is_paid(self) -> bool:
        """Whether calls cost credits."""
        return self.source in PAID

    @property
    def is_paced(self) -> bool:
        """Whether `--rate` limits the run, so that more workers would not make it faster."""
        return self.source == "api"

    @property
    def is_service(self) -> bool:
        """Whether the run sends URLs, with a token, to a service that downloads the images itself."""
        return self.source == "api"


def run_parser(prog: str = "facebeam annotate") -> OptionsParser[RunOptions]:
    """Build the parser of `facebeam annotate`, which `replay` shares."""
    return OptionsParser(
        RunOptions,
        prog,
        "Annotate every image of a manifest with 90 landmarks per face, into Parquet tables.",
        f"{EXAMPLES}\n{MEANINGS}\n{_BEAM_TOO}",
    )


def plan_parser() -> OptionsParser[RunOptions]:
    """Build the parser of `facebeam plan`."""
    return OptionsParser(
        RunOptions,
        "facebeam plan",
        "Predict the calls, cost and time of a run with these flags. Nothing is sent.",
        f"{PLAN_EPILOG}\n{_BEAM_TOO}",
        source="api",
    )


def parse_annotate(argv: Sequence[str]) -> RunOptions:
    """Parse and check the flags of `annotate`; a wrong flag ends the process with exit code 2."""
    return parse_run(run_parser(), argv)


def parse_plan(argv: Sequence[str]) -> RunOptions:
    """Parse and check the flags of `plan`; a wrong flag ends the process with exit code 2."""
    return parse_run(plan_parser(), argv)


def parse_run(
    parser: OptionsParser[RunOptions], argv: Sequence[str], inherited: Mapping[str, object] | None = None
) -> RunOptions:
    """Parse and check the flags of a run; a wrong flag ends the process with exit code 2."""
    options, beam_flags = parser.parse(argv, inherited)
    if stray := [flag for flag in beam_flags[:1] if not flag.startswith("--")]:
        parser.error(f"unexpected argument {stray[0]!r}; list several manifests after one --manifest")
    if options.budget_credits is not None and options.budget_credits < options.price:
        parser.error(
            f"--budget-credits {options.budget_credits:g} does not pay for one call at {options.price:g}"
        )
    return replace(options, beam_flags=tuple(beam_flags))
