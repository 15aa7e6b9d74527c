"""The counts of a run, and the two laws that they must follow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.schemas.run_record import RunCounts

GOOD = RunCounts(rows_read=9, ok=3, no_face=2, face_count=7, faces=7, dead={"timeout": 3, "other": 1})


def test_good_counts_break_no_law() -> None:
    """Consistent counts break no law, and neither do the counts of a manifest without rows."""
    assert GOOD.broken_law() is None
    assert RunCounts(0, 0, 0, 0, 0).broken_law() is None


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
    assert law in (counts.broken_law() or "")


_COUNT = st.integers(0, 10**9)


@given(_COUNT, _COUNT, _COUNT, st.dictionaries(st.text(max_size=3), _COUNT, max_size=4), st.integers(-2, 2))
def test_the_law_of_rows_is_a_sum(
    ok: int, no_face: int, faces: int, dead: dict[str, int], surplus: int
) -> None:
    """The law of rows holds exactly when ok, no_face and dead rows add up to the rows read."""
    ends = ok + no_face + sum(dead.values())
    counts = RunCounts(ends + surplus, ok, no_face, faces, faces, dead)
    assert (counts.broken_law() is None) == (surplus == 0)


def test_the_failure_share_is_of_all_rows() -> None:
    """The failure share is the dead letters of all codes divided by the rows read, and 0 without rows."""
    assert GOOD.failure_share == pytest.approx(4 / 9)
    assert RunCounts(0, 0, 0, 0, 0).failure_share == 0
    assert RunCounts(2, 0, 0, 0, 0, {"other": 2}).failure_share == 1
