"""Items of a busy lane come later, and hold up no other lane."""

from facebeam.transforms.steps.thread_window import free_lanes_first


def lane_of(item: str) -> str:
    """Take an item's letter as its lane."""
    return item[0]


def test_items_keep_their_order_where_nothing_is_busy() -> None:
    """Without a busy lane the items come as they are."""
    chosen = free_lanes_first(["a1", "b1", "a2"], lane_of, lambda _: False)
    assert list(chosen) == ["a1", "b1", "a2"]


def test_a_busy_lane_is_passed_over_until_it_is_free() -> None:
    """Items of a busy lane wait in their order, None says that nothing else is left, and then they come."""
    busy = {"a"}
    chosen = free_lanes_first(["a1", "b1", "a2", "b2"], lane_of, busy.__contains__)
    assert [next(chosen) for _ in range(4)] == ["b1", "b2", None, None]
    busy.clear()
    assert next(chosen) == "a1"
    busy.add("a")
    assert next(chosen) is None
    busy.clear()
    assert list(chosen) == ["a2"]


def test_a_lane_that_is_free_again_goes_first() -> None:
    """Items that have waited come before items that have not been looked at."""
    busy = {"a"}
    chosen = free_lanes_first(["a1", "b1", "b2", "a2", "b3"], lane_of, busy.__contains__)
    assert next(chosen) == "b1"
    busy.clear()
    assert list(chosen) == ["a1", "b2", "a2", "b3"]
