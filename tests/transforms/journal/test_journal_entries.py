"""Which results the journal stores, and how they come back."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from facebeam.schemas.errors import ErrorCode, Fate
from facebeam.schemas.values import Answer, Face, Failure, ImageRequest
from facebeam.transforms.journal.entries import Entry, encode_entries
from facebeam.transforms.journal.journal import Journal
from facebeam.transforms.journal.segments import write_segment
from tests.helpers.journal_entries import NOON, REJECTS, REQUEST, answer, key_of, reject, stored_keys

POINTS = npst.arrays(np.float32, (90, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
PIXELS = st.none() | st.integers(1, 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ANSWERS = st.builds(
    Answer,
    faces=st.lists(
        st.builds(Face, POINTS, st.none() | st.floats(0, 1), st.none() | st.floats(0, 50)), max_size=12
    ).map(tuple),
    faces_cut=st.none() | st.booleans(),
    image_width=PIXELS,
    image_height=PIXELS,
    source=TEXT,
    face_model_version=TEXT,
    trace_id=st.none() | TEXT,
    attempts=st.integers(1, 9),
    latency_ms=st.floats(0, 1e6),
    answered_at=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


def through_a_journal(*results: Answer | Failure, url: str = REQUEST.image_url) -> list[Answer | Failure]:
    """Record results in one segment of a journal, and read the stored ones back from it."""
    keys = [key_of(number, bucket=0) for number in range(len(results))]
    with TemporaryDirectory() as folder:
        with Journal(folder).open() as writer:
            for key, result in zip(keys, results, strict=True):
                writer.record(key, ImageRequest(url), result)
        found = dict(Journal(folder).stored(keys))
    return [found[key] for key in keys if key in found]


def test_answers_of_all_kinds_lie_in_one_segment() -> None:
    """Answers without faces, with whole numbers, with fractions and with both come back, and failures too."""
    whole, fractions = answer().faces[0], Face(answer().faces[0].points + np.float32(0.1))
    kinds = [(), (whole,), (fractions,), (whole, fractions), (fractions, fractions)]
    for chosen in (kinds, kinds[:1], kinds[:2], kinds[::2], kinds[1:3]):
        answers = [replace(answer(), faces=faces) for faces in chosen]
        back = through_a_journal(*answers, reject())
        stored = [replace(one, attempts=0, latency_ms=None, from_journal=True) for one in answers]
        assert back == [*stored, replace(reject(), was_sent=False)]


@given(answers=st.lists(ANSWERS, min_size=1, max_size=3), url=TEXT)
def test_answers_come_back(answers: list[Answer], url: str) -> None:
    """An answer comes back with every field and each bit of its coordinates, with 0 to 12 faces.

    It is marked as taken from the journal, without attempts or latency, since this run sent nothing for it.
    """
    back = through_a_journal(*answers, url=url)
    assert back == [replace(a, attempts=0, latency_ms=None, from_journal=True) for a in answers]
    bits = [[face.points.tobytes() for face in one.faces] for one in back if isinstance(one, Answer)]
    assert bits == [[face.points.tobytes() for face in one.faces] for one in answers]


@pytest.mark.parametrize("code", REJECTS)
def test_rejects_come_back(code: ErrorCode) -> None:
    """A final failure comes back with every field and its fate, but as one that was not sent this time."""
    (back,) = through_a_journal(reject(code))
    assert back == replace(reject(code), was_sent=False)
    assert isinstance(back, Failure)
    assert back.fate is Fate.REJECT


@given(
    texts=st.tuples(*[st.none() | TEXT] * 3),
    status=st.none() | st.integers(100, 599),
    message=TEXT,
    maybe_billed=st.booleans(),
)
def test_failures_of_all_kinds_come_back(
    texts: tuple[str | None, ...], status: int | None, message: str, *, maybe_billed: bool
) -> None:
    """The fields of a failure come back as they were, and empty ones stay empty."""
    raw_code, upstream_code, trace_id = texts
    failure = replace(reject(), raw_code=raw_code, upstream_code=upstream_code, trace_id=trace_id)
    failure = replace(failure, http_status=status, message=message, maybe_billed=maybe_billed)
    assert through_a_journal(failure) == [replace(failure, was_sent=False)]


@pytest.mark.parametrize("code", [code for code in ErrorCode if code not in REJECTS])
def test_what_may_be_asked_again_is_not_kept(code: ErrorCode) -> None:
    """A failure is not stored if another call may fix it, or if it stopped all calls.

    This includes rejects caused by the way to the image, such as a missing file.
    """
    assert through_a_journal(reject(code)) == []


def test_a_refusal_of_the_images_host_is_asked_again(tmp_path: Path) -> None:
    """A 401 or 403 of an image's host is not stored; one of an earlier version does not count."""
    refused = replace(reject(ErrorCode.FORBIDDEN), stage="fetch")
    assert through_a_journal(refused) == []
    key = key_of(1)
    stored = encode_entries([Entry(key, REQUEST.image_url, refused, NOON)])
    write_segment(f"{tmp_path}/bucket={key[0]:03d}", stored)
    assert stored_keys(tmp_path, [key]) == set()


def test_what_was_not_sent_is_not_kept() -> None:
    """A reject that was not sent is not stored: it is free to repeat, and other options may avoid it."""
    assert through_a_journal(replace(reject(ErrorCode.FORBIDDEN_ADDRESS), was_sent=False)) == []


def test_lone_surrogates_are_escaped() -> None:
    """Texts that JSON can spell but Parquet cannot hold are escaped and do not stop a run."""
    (back,) = through_a_journal(replace(answer(), trace_id="a\ud800b"), url="https://example.com/\udcff")
    assert back.trace_id == "a\\ud800b"


def test_without_a_time_the_recording_counts() -> None:
    """An answer without a time gets the time at which it was recorded."""
    before = datetime.now(UTC)
    (back,) = through_a_journal(replace(answer(), answered_at=None))
    assert isinstance(back, Answer)
    assert back.answered_at is not None
    assert before <= back.answered_at <= datetime.now(UTC)


def test_pandas_reads_a_journal(tmp_path: Path) -> None:
    """A user can read a journal folder with pandas as it is: URL, outcome or error code, and time."""
    with Journal(str(tmp_path)).open() as writer:
        writer.record(key_of(1), REQUEST, answer())
        writer.record(key_of(2), REQUEST, reject())
    frame = pd.read_parquet(tmp_path)
    assert set(frame["image_url"]) == {REQUEST.image_url}
    assert set(frame["outcome"].dropna()) == {"ok"}
    assert set(frame["error_code"].dropna()) == {"forbidden"}
    assert set(frame["answered_at"]) == {pd.Timestamp(NOON)}
