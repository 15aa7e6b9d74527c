"""Rows that ask the same question are grouped under its key."""

from dataclasses import replace

from facebeam.schemas.request_key import BUCKETS, bucket_of, request_key
from facebeam.schemas.values import ImageRequest
from facebeam.transforms.steps.questions import Asked, Question, group_by_question
from tests.helpers.values import row

QUESTION = Question(mode=1)


def test_rows_are_grouped_by_what_is_asked() -> None:
    """Each distinct image appears once, with its rows in their order, and the groups are sorted by key."""
    rows = [row(7), row(8), row(7), row(9), row(8)]
    grouped = group_by_question(rows, QUESTION, "fake 1")
    assert list(grouped) == sorted(grouped)
    assert sorted(grouped.values(), key=lambda asked: asked.rows[0].image_id) == [
        Asked(ImageRequest(rows[0].image_url, 1, 0), [rows[0], rows[2]]),
        Asked(ImageRequest(rows[1].image_url, 1, 0), [rows[1], rows[4]]),
        Asked(ImageRequest(rows[3].image_url, 1, 0), [rows[3]]),
    ]


def test_another_question_has_another_key() -> None:
    """Another identity, mode, rotation detection or URL gives another key."""
    questions = [QUESTION, Question(mode=0), replace(QUESTION, need_rotate_detection=1)]
    keys = {question.key("fake 1", row(1)) for question in questions}
    assert len(keys | {QUESTION.key("fake 2", row(1)), QUESTION.key("fake 1", row(2))}) == 5


def test_parts_of_a_key_cannot_be_mistaken_for_each_other() -> None:
    """Two questions whose parts join to the same text have different keys."""
    assert request_key("ab", ImageRequest("c")) != request_key("a", ImageRequest("bc"))


def test_keys_spread_over_the_buckets() -> None:
    """The keys of ten thousand images fill all 256 buckets."""
    assert {bucket_of(QUESTION.key("fake 1", row(number))) for number in range(10_000)} == set(range(BUCKETS))
