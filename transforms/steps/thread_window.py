"""Keep a number of calls in flight, and yield each result as it arrives; calls that have to wait go last."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from facebeam.transforms.steps.progress import stop_if_asked

Item = TypeVar("Item")


def free_lanes_first(
    items: Iterable[Item], lane_of: Callable[[Item], str], is_busy: Callable[[str], bool]
) -> Iterator[Item | None]:
    """Yield items in their order, except items whose lane is busy: these come when their lane is free.

    A lane is a group of items that share something scarce, such as an image host. None means that all
    remaining items have to wait; call `next` again after a moment.
    """
    held: dict[str, deque[Item]] = {}
    coming = iter(items)
    while True:
        stop_if_asked()
        free = next((lane for lane in held if not is_busy(lane)), None)
        if free is not None:
            yield held[free].popleft()
            if not held[free]:
                del held[free]
            continue
        for item in coming:
            lane = lane_of(item)
            if lane not in held and not is_busy(lane):
                yield item
                break
            held.setdefault(lane, deque()).append(item)
        else:
            if not held:
                return
            yield None


Result = TypeVar("Result")
_MOMENT_S: Final = 0.05


def thread_window(
    pool: Executor, size: Callable[[], int], call: Callable[[Item], Result], items: Iterable[Item | None]
) -> Iterator[tuple[Item, Result]]:
    """Yield `(item, call(item))` in the order in which calls finish, with at most `size()` calls in flight.

    `size` is called again for each item, so the window may grow and shrink. An item is taken from `items`
    only when a call may start, so `items` may be endless. A None in `items` means that no item can be called
    now: the next one is taken when a call has finished, or after a moment. An exception of a call is raised
    here after all calls in flight have ended.
    """
    finished: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()
    under_way = 0
    try:
        for item in items:
            if item is None:
                with suppress(Empty):
                    result = finished.get(timeout=_MOMENT_S)
                    under_way -= 1
                    yield _result(result)
                continue
            _submit(pool, call, item, finished)
            under_way += 1
            while under_way >= size():
                under_way -= 1
                yield _result(finished.get())
        while under_way:
            under_way -= 1
            yield _result(finished.get())
    finally:  # wait for all calls, so that one call's error does not lose the results of the others
        for _ in range(under_way):
            finished.get()


def _submit(
    pool: Executor,
    call: Callable[[Item], Result],
    item: Item,
    finished: SimpleQueue[tuple[Item, Future[Result]]],
) -> None:
    pool.submit(call, item).add_done_callback(lambda future: finished.put((item, future)))


def _result(finished: tuple[Item, Future[Result]]) -> tuple[Item, Result]:
    item, future = finished
    return item, future.result()
