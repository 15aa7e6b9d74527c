"""A window of calls is full but never overfull, reads items lazily and yields results as they finish."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import count, islice
from threading import Barrier, Event
from typing import ParamSpec, TypeVar

import pytest

from facebeam.transforms.steps.thread_window import thread_window

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LONG_S = 180
"""Seconds until a test gives up on a window that hangs; a correct window never waits so long."""


def always(size: int) -> Callable[[], int]:
    """Give a window size that does not change."""
    return lambda: size


class Immediate(Executor):
    """An executor that runs each call at once, so that timing plays no role, and counts the calls."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Run the call; give its finished future."""
        self.submitted += 1
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("size", [1, 3])
def test_never_more_calls_than_the_size(size: int) -> None:
    """A place in the window is used again only when its result has been taken."""
    pool, peak = Immediate(), 0
    for taken, _ in enumerate(thread_window(pool, always(size), str, range(20))):
        peak = max(peak, pool.submitted - taken)
    assert peak == size
    assert pool.submitted == 20


def test_all_places_are_used_at_the_same_time() -> None:
    """Calls that wait until four of them are running all finish in a window of four."""
    together = Barrier(4, timeout=LONG_S)

    def wait_for_the_others(item: int) -> int:
        together.wait()
        return -item

    with ThreadPoolExecutor(8) as pool:
        assert sorted(thread_window(pool, always(4), wait_for_the_others, range(12))) == [
            (i, -i) for i in range(12)
        ]


def test_results_come_in_the_order_of_finishing() -> None:
    """A slow call does not hold up the results of the calls after it."""
    go_on = Event()

    def first_is_slow(item: int) -> bool:
        return item > 0 or go_on.wait(LONG_S)

    with ThreadPoolExecutor(2) as pool:
        results = thread_window(pool, always(2), first_is_slow, range(5))
        assert list(islice(results, 4)) == [(1, True), (2, True), (3, True), (4, True)]
        go_on.set()
        assert list(results) == [(0, True)]


def test_none_waits_for_a_call_or_a_moment() -> None:
    """None takes no place: the window hands a finished call on, or asks for the next item after a moment."""
    go_on = Event()

    def items() -> Iterator[int | None]:
        yield 1
        yield None  # nothing finishes
        go_on.set()
        yield from (None, 2, None, None)

    def wait(item: int) -> int:
        assert go_on.wait(LONG_S)
        return -item

    with ThreadPoolExecutor(2) as pool:
        assert sorted(thread_window(pool, always(2), wait, items())) == [(1, -1), (2, -2)]


def test_items_are_taken_as_places_fall_free() -> None:
    """An endless iterable is read no further than the results taken and one full window."""
    read: list[int] = []

    def noted(item: int) -> int:
        assert item < 1000  # else a window that reads all items would fill the memory
        read.append(item)
        return item

    results = thread_window(Immediate(), always(3), str, map(noted, count()))
    assert read == []
    for taken in range(1, 50):
        next(results)
        assert len(read) <= taken + 3


def test_what_a_call_raises_comes_out() -> None:
    """The window yields the results before a failed call, then raises the call's own exception."""

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
    """The error of a call is raised only after the other calls of the window have ended."""
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
    """Each new call follows the window size of that moment."""
    pool, sizes = Immediate(), iter([3, 3, 3, 1, 1, 1, 1, 2, *[2] * 20])
    waiting = [
        pool.submitted - taken
        for taken, _ in enumerate(thread_window(pool, lambda: next(sizes), str, range(9)))
    ]
    assert max(waiting) == 3
    assert min(waiting) == 1


def test_no_items_are_no_results() -> None:
    """Without items the window ends at once."""
    assert list(thread_window(Immediate(), always(3), str, [])) == []
