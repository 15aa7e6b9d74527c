"""The deadline of a thread, as computed from the clock; test_download_image.py tests it on sockets."""

from threading import Thread

import pytest

from facebeam.transforms.http.response import finished_within, time_left_s


def test_without_a_deadline_a_wait_is_what_was_asked_for() -> None:
    """Without a deadline, `time_left_s` returns the wait that was asked for, or None."""
    assert time_left_s(7.0) == 7.0
    assert time_left_s(None) is None


def test_a_wait_never_outlasts_the_deadline() -> None:
    """`time_left_s` returns the wait asked for, but at most the time to the deadline, also for None."""
    with finished_within(1000):
        assert 0 < (time_left_s(5000) or 0) <= 1000
        assert 0 < (time_left_s(None) or 0) <= 1000
        assert time_left_s(7.0) == 7.0


def test_an_inner_deadline_cannot_extend_the_outer_one() -> None:
    """The earlier of two nested deadlines applies, and after the inner block the outer one applies again."""
    with finished_within(1000):
        with finished_within(5000):
            assert (time_left_s(None) or 0) <= 1000
        with finished_within(10):
            assert (time_left_s(None) or 0) <= 10
        assert (time_left_s(None) or 0) > 10


def test_a_deadline_that_has_passed_is_a_timeout() -> None:
    """`time_left_s` raises TimeoutError after the deadline, and works as usual after the block."""
    with finished_within(0), pytest.raises(TimeoutError, match="deadline"):
        time_left_s(7.0)
    assert time_left_s(7.0) == 7.0


def test_a_deadline_is_its_threads_own() -> None:
    """A deadline does not apply to another thread."""
    left: list[float | None] = []
    with finished_within(0):
        thread = Thread(target=lambda: left.append(time_left_s(None)))
        thread.start()
        thread.join()
    assert left == [None]
