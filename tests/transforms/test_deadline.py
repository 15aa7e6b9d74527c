"""The deadline of a thread, seen from the clock's side; the sockets' side is in test_download_image.py."""

from threading import Thread

import pytest

from transforms.image_fetch.deadline import finished_within, time_left_s


def test_without_a_deadline_a_wait_is_what_was_asked_for() -> None:
    """Expect the wait itself, or none."""
    assert time_left_s(7.0) == 7.0
    assert time_left_s(None) is None


def test_a_wait_never_outlasts_the_deadline() -> None:
    """Expect the time left where that is shorter, with or without a wait of one's own."""
    with finished_within(1000):
        assert 0 < (time_left_s(5000) or 0) <= 1000
        assert 0 < (time_left_s(None) or 0) <= 1000
        assert time_left_s(7.0) == 7.0


def test_an_inner_deadline_cannot_extend_the_outer_one() -> None:
    """Expect the earlier of two deadlines, and the outer one again after the inner block."""
    with finished_within(1000):
        with finished_within(5000):
            assert (time_left_s(None) or 0) <= 1000
        with finished_within(10):
            assert (time_left_s(None) or 0) <= 10
        assert (time_left_s(None) or 0) > 10


def test_a_deadline_that_has_passed_is_a_timeout() -> None:
    """Expect TimeoutError instead of a wait, and nothing left of it after the block."""
    with finished_within(0), pytest.raises(TimeoutError, match="deadline"):
        time_left_s(7.0)
    assert time_left_s(7.0) == 7.0


def test_a_deadline_is_its_threads_own() -> None:
    """Expect another thread to know nothing of it."""
    left: list[float | None] = []
    with finished_within(0):
        thread = Thread(target=lambda: left.append(time_left_s(None)))
        thread.start()
        thread.join()
    assert left == [None]
