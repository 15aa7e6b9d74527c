"""Keep a fixed number of calls in flight and hand each result on as it comes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_window(
    pool: Executor, size: int, call: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Yield `(item, call(item))` in the order of finishing, with at most `size` calls under way.

    Items are taken one at a time, as places fall free: an endless iterable is fine. There is no batch
    barrier. What a call raises is raised here.
    """
    finished: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()
    under_way = 0
    for item in items:
        if under_way == size:
            yield _result(finished.get())
            under_way -= 1
        _submit(pool, call, item, finished)
        under_way += 1
    for _ in range(under_way):
        yield _result(finished.get())


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
