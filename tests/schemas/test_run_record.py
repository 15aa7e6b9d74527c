"""The counts of a run, and the two laws that they must follow."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.errors import RunError
from facebeam.schemas.run_record import RECORD_MEANINGS, CallCounts, Latencies, RunCounts, RunFacts, RunRecord

GOOD = RunCounts(rows_read=9, ok=3, no_face=2, face_count=7, faces=7, dead={"timeout": 3, "other": 1})


def test_good_counts_break_no_law() -> None:
    """Consistent counts break no law, and neither do the counts of a manifest without rows."""
    assert GOOD.broken_rule() is None
    assert RunCounts(0, 0, 0, 0, 0).broken_rule() is None


@pytest.mark.parametrize(
    ("counts", "law"),
    [
        (replace(GOOD, rows_read=10), "exactly one place: 10 rows read, 3 ok + 2 no_face + 4 dead"),
        (replace(GOOD, rows_read=8), "exactly one place: 8 rows read"),
        (replace(GOOD, ok=4), "exactly one place"),
        (replace(GOOD, no_face=1), "exactly one place"),
        (replace(GOOD, dead={"timeout": 3}), "exactly one place"),
        (replace(GOOD, faces=6), "one row per face: images have 7 faces, the faces table has 6 rows"),
        (replace(GOOD, face_count=6), "one row per face"),
    ],
)
def test_any_count_that_is_off_breaks_a_law(counts: RunCounts, law: str) -> None:
    """A wrong count breaks a law, and the message states the law with the counts that show it."""
    assert law in (counts.broken_rule() or "")


_COUNT = st.integers(0, 10**9)


@given(_COUNT, _COUNT, _COUNT, st.dictionaries(st.text(max_size=3), _COUNT, max_size=4), st.integers(-2, 2))
def test_the_law_of_rows_is_a_sum(
    ok: int, no_face: int, faces: int, dead: dict[str, int], surplus: int
) -> None:
    """The law of rows holds exactly when ok, no_face and dead rows add up to the rows read."""
    ends = ok + no_face + sum(dead.values())
    counts = RunCounts(ends + surplus, ok, no_face, faces, faces, dead)
    assert (counts.broken_rule() is None) == (surplus == 0)


def test_the_failure_share_is_of_all_rows() -> None:
    """The failure share is the dead letters of all codes divided by the rows read, and 0 without rows."""
    assert GOOD.failure_share == pytest.approx(4 / 9)
    assert RunCounts(0, 0, 0, 0, 0).failure_share == 0
    assert RunCounts(2, 0, 0, 0, 0, {"other": 2}).failure_share == 1


RECORD = RunRecord(
    run_id="one",
    facts=RunFacts(
        started_at=datetime(2026, 11, 26, 1, tzinfo=UTC),
        options={"price": 0.0025, "manifest": ["a.csv"]},
        manifests={"a.csv": "sha256:00"},
        versions={"python": "3.11.7"},
    ),
    committed_at=datetime(2026, 11, 26, 2, tzinfo=UTC),
    counts=GOOD,
    calls=CallCounts(images=3, sent=4, retries=1),
    latency_ms=Latencies(1.5, 2.5, 3.5),
    files=("faces/run=one/part-0.parquet",),
)


def test_a_record_that_is_written_and_read_is_the_same() -> None:
    """A record comes back whole from its JSON text, with times in UTC."""
    text = json.dumps(RECORD.to_json())
    assert '"committed_at": "2026-11-26T02:00:00.000+00:00"' in text
    assert RunRecord.from_json(json.loads(text)) == RECORD


def test_a_record_of_another_version_is_read() -> None:
    """Keys of a later version are ignored, and keys that an earlier one has not written are empty."""
    found = RECORD.to_json() | {"colour": "red", "counts": asdict(GOOD) | {"blurred": 1}}
    assert RunRecord.from_json(found) == RECORD
    for name in ("calls", "latency_ms", "files", "options", "manifests", "versions", "started_at"):
        del found[name]
    record = RunRecord.from_json(found)
    assert (record.counts, record.calls, record.seconds) == (GOOD, CallCounts(), 0)
    assert record.facts.number("price", 7.0) == 7


@pytest.mark.parametrize(
    "change",
    [{"counts": None}, {"counts": {"ok": 1}}, {"committed_at": "soon"}, {"files": 7}, {"calls": [1]}],
)
def test_a_record_that_is_none_is_refused(change: Mapping[str, object]) -> None:
    """JSON whose counts are missing, or whose values are of another kind, is no record."""
    with pytest.raises(RunError, match="it is not the record of a run"):
        RunRecord.from_json({**RECORD.to_json(), **change})


def test_a_record_has_a_meaning_for_each_key() -> None:
    """Every key that is written has a meaning, keys of objects inside it too, in the order of the file."""
    written = RECORD.to_json()
    inner = {f"counts.{name}" for name in asdict(GOOD)} | {f"calls.{name}" for name in CallCounts._fields}
    assert [name for name in RECORD_MEANINGS if "." not in name] == list(written)
    assert {name for name in RECORD_MEANINGS if not name.startswith("latency_ms.")} == {*written, *inner}
