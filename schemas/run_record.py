"""The contents of `run.json`, as a value with the meaning of each key."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from inspect import get_annotations
from typing import Annotated, Final, NamedTuple, Self, TypeVar, get_args

from facebeam.schemas.errors import RunError
from facebeam.schemas.values import NOT_SENT, Answer, Failure


class CallCounts(NamedTuple):
    """Counts over distinct images; the counts of all shards add up to those of the run."""

    images: Annotated[int, "distinct images of the rows"] = 0
    from_journal: Annotated[int, "images answered from the journal"] = 0
    sent: Annotated[int, "calls that left this machine, retries included: no more can be billed"] = 0
    retries: Annotated[int, "calls after the first one for an image"] = 0
    maybe_billed: Annotated[int, "images without an answer whose last call may still be billed"] = 0
    not_sent: Annotated[int, "images that were not sent because the run had stopped sending"] = 0
    faces_left_out: Annotated[int, "faces that are not in the tables: their score is below `--min-score`"] = 0


FROM_JOURNAL: Final = CallCounts(images=1, from_journal=1)
FROM_EARLIER_TRY: Final = CallCounts(images=1, sent=1)
"""Counts of an image that this run sent before the engine retried the bundle: at least one call."""


def sum_of_calls(counts: Iterable[CallCounts]) -> CallCounts:
    """Add up the counts of all shards; without shards all counts are zero."""
    return CallCounts(*map(sum, zip(*counts, strict=True)))


def calls_of(result: Answer | Failure) -> CallCounts:
    """Count one image that was sent, from its result.

    >>> calls_of(Failure(ErrorCode.TIMEOUT, "it took too long", stage="annotate", attempts=3))
    CallCounts(images=1, from_journal=0, sent=3, retries=2, maybe_billed=0, not_sent=0, faces_left_out=0)
    """
    failure = result if isinstance(result, Failure) else None
    return CallCounts(
        images=1,
        sent=result.attempts,
        retries=max(0, result.attempts - 1),
        maybe_billed=int(failure is not None and failure.maybe_billed),
        not_sent=int(failure is not None and failure.stage == NOT_SENT),
    )


@dataclass(frozen=True)
class RunCounts:
    """Rows and faces of one run, counted from its tables."""

    rows_read: Annotated[int, "rows of the manifest, valid or not"]
    ok: Annotated[int, "rows of `images` with a face"]
    no_face: Annotated[int, "rows of `images` without a face"]
    face_count: Annotated[int, "sum of the column `face_count` of `images`"]
    faces: Annotated[int, "rows of `faces`"]
    dead: Annotated[Mapping[str, int], "error code -> rows of `dead_letters`"] = field(default_factory=dict)

    @property
    def dead_total(self) -> int:
        """Dead letters of all codes."""
        return sum(self.dead.values())

    @property
    def failure_share(self) -> float:
        """Share of the rows read that are dead letters, 0 to 1."""
        return self.dead_total / self.rows_read if self.rows_read else 0.0

    def broken_rule(self) -> str | None:
        """Describe the rule that the counts break, with the counts; None if they break none.

        >>> RunCounts(rows_read=3, ok=1, no_face=1, face_count=2, faces=2, dead={"timeout": 1}).broken_rule()
        >>> RunCounts(rows_read=3, ok=1, no_face=0, face_count=2, faces=2).broken_rule()
        'every manifest row ends in exactly one place: 3 rows read, 1 ok + 0 no_face + 0 dead letters = 1'
        """
        ended = self.ok + self.no_face + self.dead_total
        if ended != self.rows_read:
            return (
                f"every manifest row ends in exactly one place: {self.rows_read} rows read, "
                f"{self.ok} ok + {self.no_face} no_face + {self.dead_total} dead letters = {ended}"
            )
        if self.faces != self.face_count:
            return (
                f"one row per face: images have {self.face_count} faces, "
                f"the faces table has {self.faces} rows"
            )
        return None


class Latencies(NamedTuple):
    """Percentiles of the column `latency_ms` of `images`, in ms; None if the run has no new answers."""

    p50: Annotated[float | None, "median; null: no new calls"] = None
    p95: Annotated[float | None, "95th percentile"] = None
    p99: Annotated[float | None, "99th percentile"] = None


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known about a run before it begins. A user's own pipeline may leave out every field."""

    started_at: Annotated[datetime, "when the last try of this run id started, in UTC (ISO 8601)"] = field(
        default_factory=lambda: datetime.now(UTC)
    )
    options: Annotated[
        Mapping[str, object],
        "every flag with its value; values of Beam's flags that look like secrets are hidden",
    ] = field(default_factory=dict)
    manifests: Annotated[
        Mapping[str, str],
        "path of each manifest file, `/dev/stdin`, or a folder of images -> its checksum (`sha256:...`, or "
        "the bucket's own checksum)",
    ] = field(default_factory=dict)
    versions: Annotated[Mapping[str, str], "versions of Python, facebeam, apache-beam, pyarrow and numpy"] = (
        field(default_factory=dict)
    )

    def number(self, option: str, default: float) -> float:
        """Give the value of an option; `default` if the record has no number for it, as in older versions."""
        value = self.options.get(option)
        return value if isinstance(value, int | float) else default


_NO_CALLS: Final = CallCounts()
_NO_LATENCIES: Final = Latencies()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a committed run, which `run.json` stores."""

    run_id: Annotated[str, "the run's name, as in `run=<id>`"]
    facts: RunFacts
    committed_at: Annotated[datetime, "when the tables were complete, in UTC (ISO 8601)"]
    counts: Annotated[RunCounts, "numbers of rows"]
    calls: Annotated[CallCounts, "numbers of distinct images, and of calls for them"] = _NO_CALLS
    latency_ms: Annotated[
        Latencies, "percentiles of the column `latency_ms` of `images`, in ms, to three digits"
    ] = _NO_LATENCIES
    files: Annotated[tuple[str, ...], "paths of the Parquet files, relative to the output"] = ()

    @property
    def seconds(self) -> float:
        """How long the last try took."""
        return (self.committed_at - self.facts.started_at).total_seconds()

    def to_json(self) -> dict[str, object]:
        """Give the keys of `run.json`, in their order."""
        facts = asdict(self.facts) | {"started_at": _text(self.facts.started_at)}
        return {
            "run_id": self.run_id,
            **facts,
            "committed_at": _text(self.committed_at),
            "counts": asdict(self.counts),
            "calls": self.calls._asdict(),
            "latency_ms": self.latency_ms._asdict(),
            "files": list(self.files),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Self:
        """Read a record of this or another version: unknown keys are ignored, and some keys may be missing.

        Raises:
            RunError: a key that every version writes is missing, or a value has the wrong type.
        """
        try:
            committed_at = datetime.fromisoformat(str(found["committed_at"]))
            started_at = datetime.fromisoformat(str(found.get("started_at", committed_at)))
            return cls(
                run_id=str(found["run_id"]),
                facts=_known(RunFacts, found, started_at=started_at),
                committed_at=committed_at,
                counts=_known(RunCounts, found["counts"]),
                calls=_known(CallCounts, found.get("calls", {})),
                latency_ms=_known(Latencies, found.get("latency_ms", {})),
                files=tuple(_strings(found.get("files", []))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"it is not the record of a run ({type(error).__name__}: {error})") from error


_Value = TypeVar("_Value")


def agreed_options(records: Iterable[RunRecord]) -> dict[str, object]:
    """Give the options that have one value in all of these records, by name.

    A record of an older version may not have an option; then only the other records are compared.
    """
    recorded = [record.facts.options for record in records]
    names = dict.fromkeys(name for options in recorded for name in options)
    values = {name: [options[name] for options in recorded if name in options] for name in names}
    return {
        name: tuple(found[0]) if isinstance(found[0], list) else found[0]
        for name, found in values.items()
        if all(value == found[0] for value in found)
    }


def _known(kind: Callable[..., _Value], found: object, **others: object) -> _Value:
    """Make a value of `kind` from a JSON object; keys that are not fields of `kind` are ignored."""
    if not isinstance(found, dict):
        raise TypeError(f"{found!r} is not an object")
    names = get_annotations(kind)
    return kind(**{name: value for name, value in found.items() if name in names} | others)


def _strings(found: object) -> Iterator[str]:
    if not isinstance(found, list):
        raise TypeError(f"{found!r} is not a list")
    yield from map(str, found)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


_PARTS: Final = (RunFacts, RunCounts, CallCounts, Latencies)


def _meanings(kind: type, before: str = "") -> Iterator[tuple[str, str]]:
    for name, hint in get_annotations(kind).items():
        said = getattr(hint, "__metadata__", ())
        inner = get_args(hint)[0] if said else hint
        if said:
            yield before + name, said[0]
        if inner in _PARTS:
            yield from _meanings(inner, f"{before}{name}." if said else before)


RECORD_MEANINGS: Final[Mapping[str, str]] = dict(_meanings(RunRecord))
"""Key of `run.json` -> its meaning, in the order of the file; `counts.ok` is the key `ok` in `counts`."""
