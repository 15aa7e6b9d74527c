"""Keep a number of calls in flight, and hand each result on as it comes; calls that would wait go last."""

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
    """Yield items in their order, but for those whose lane is busy: they come when it is free.

    None says that all items which are left have to wait just now: ask again in a moment.
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
    """Yield `(item, call(item))` in the order of finishing, with at most `size()` calls under way.

    The size is asked for again at each call, so that a window can grow and shrink. Items are taken one at a
    time, as places fall free: an endless iterable is fine. None among them says that no item can be called
    just now: the next one is taken when a call has finished, or after a moment. There is no batch barrier.
    What a call raises is raised here, when the calls under way have ended.
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
    finally:  # one call's error must not lose what the others are bringing
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
