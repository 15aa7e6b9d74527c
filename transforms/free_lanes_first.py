"""Choose what to ask next, so that a lane which has to wait holds up nothing but itself."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from transforms.progress import stop_if_asked

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
