"""A window of calls: full, never more than full, lazy, in the order of finishing."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import count, islice
from threading import Barrier, Event
from typing import ParamSpec, TypeVar

import pytest

from transforms.thread_window import thread_window

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LONG_S = 180
"""What a broken window would hang for; a good one never waits."""


def always(size: int) -> Callable[[], int]:
    """Give a window that does not change."""
    return lambda: size


class Immediate(Executor):
    """Make each call at once, and count what was submitted: time decides nothing."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Give a future that is done."""
        self.submitted += 1
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("size", [1, 3])
def test_never_more_calls_than_the_size(size: int) -> None:
    """Expect each place to be given again only when its result has been taken."""
    pool, peak = Immediate(), 0
    for taken, _ in enumerate(thread_window(pool, always(size), str, range(20))):
        peak = max(peak, pool.submitted - taken)
    assert peak == size
    assert pool.submitted == 20


def test_all_places_are_used_at_the_same_time() -> None:
    """Expect calls that wait for each other, four at a time, to come through a window of four."""
    together = Barrier(4, timeout=LONG_S)

    def wait_for_the_others(item: int) -> int:
        together.wait()
        return -item

    with ThreadPoolExecutor(8) as pool:
        assert sorted(thread_window(pool, always(4), wait_for_the_others, range(12))) == [
            (i, -i) for i in range(12)
        ]


def test_results_come_in_the_order_of_finishing() -> None:
    """Expect a call that takes long to hold up none that comes after it."""
    go_on = Event()

    def first_is_slow(item: int) -> bool:
        return item > 0 or go_on.wait(LONG_S)

    with ThreadPoolExecutor(2) as pool:
        results = thread_window(pool, always(2), first_is_slow, range(5))
        assert list(islice(results, 4)) == [(1, True), (2, True), (3, True), (4, True)]
        go_on.set()
        assert list(results) == [(0, True)]


def test_items_are_taken_as_places_fall_free() -> None:
    """Expect an endless iterable to be read no further than one item past the full window."""
    read: list[int] = []

    def noted(item: int) -> int:
        assert item < 1000  # or a window that reads all there is would fill the memory
        read.append(item)
        return item

    results = thread_window(Immediate(), always(3), str, map(noted, count()))
    assert read == []
    for taken in range(1, 50):
        next(results)
        assert len(read) <= taken + 3


def test_what_a_call_raises_comes_out() -> None:
    """Expect the results before it, then the call's own exception."""

    def no_twos(item: int) -> int:
        if item == 2:
            raise LookupError(item)
        return item

    with ThreadPoolExecutor(1) as pool:
        results = thread_window(pool, always(1), no_twos, range(5))
        assert [next(results), next(results)] == [(0, 0), (1, 1)]
        with pytest.raises(LookupError, match="2"):
            next(results)


def test_an_error_waits_for_the_calls_under_way() -> None:
    """Expect the other calls of the window to have ended when a call's error comes out."""
    ended, started = Event(), Event()

    def fail_or_end(item: int) -> None:
        if item == 0:
            assert started.wait(LONG_S)
            raise LookupError(item)
        started.set()
        ended.set()

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(LookupError):
            list(thread_window(pool, always(2), fail_or_end, range(2)))
        assert ended.is_set()


def test_the_window_grows_and_shrinks() -> None:
    """Expect each call to go by the size of its moment."""
    pool, sizes = Immediate(), iter([3, 3, 3, 1, 1, 1, 1, 2, *[2] * 20])
    waiting = [
        pool.submitted - taken
        for taken, _ in enumerate(thread_window(pool, lambda: next(sizes), str, range(9)))
    ]
    assert max(waiting) == 3
    assert min(waiting) == 1


def test_no_items_are_no_results() -> None:
    """Expect an end at once."""
    assert list(thread_window(Immediate(), always(3), str, [])) == []
