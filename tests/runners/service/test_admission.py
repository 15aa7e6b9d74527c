"""The number of requests that a server takes is limited by its rate and by its waiting room."""

import asyncio
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebeam.runners.service.admission import RateCeiling, WaitingRoom
from facebeam.schemas.errors import ErrorCode
from facebeam.schemas.values import FailureError


def is_taken(ceiling: RateCeiling) -> bool:
    """Tell whether a request is taken; a refusal must have its code and a pause of one second."""
    try:
        ceiling.admit()
    except FailureError as error:
        return (error.failure.code, error.failure.retry_after_s) != (ErrorCode.TOO_MANY_REQUESTS, 1)
    return True


@given(st.integers(1, 5), st.lists(st.integers(0, 700), min_size=1, max_size=60))
def test_no_second_has_more_than_the_rate(rate: int, pauses: list[int]) -> None:
    """In any window of one second at most `rate` requests are taken, and none is refused if there is room."""
    # Of a second a float has 1024 equal parts exactly: 1.283 - 0.283 is a second, 1.283 - 1 is not 0.283.
    clock_s = iter([sum(pauses[: i + 1]) / 1024 for i in range(len(pauses))])
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s = next(clock_s)
        return now_s

    ceiling, taken_at = RateCeiling(rate, clock), list[float]()
    for _ in pauses:
        taken = is_taken(ceiling)
        in_the_last_second = sum(at > now_s - 1 for at in taken_at)
        assert taken == (in_the_last_second < rate)
        taken_at += [now_s] * taken


def test_without_a_rate_all_are_taken() -> None:
    """Without a rate, the server takes a thousand requests at one instant."""
    ceiling = RateCeiling(None, lambda: 0.0)
    assert all(is_taken(ceiling) for _ in range(1000))


def test_a_room_has_so_many_at_work_and_so_many_waiting() -> None:
    """Of five requests at once, two work, two wait and one is refused; afterwards there is room again."""

    async def visit(room: WaitingRoom, door: asyncio.Event, at_work: list[int], number: int) -> bool:
        try:
            with room.place():
                async with room.turn(f"host-{number}"):
                    at_work.append(number)
                    await door.wait()
        except FailureError as error:
            return error.failure.code is not ErrorCode.TOO_MANY_REQUESTS
        return True

    async def scene() -> None:
        room, door, at_work, numbers = WaitingRoom(2, 2), asyncio.Event(), list[int](), count()
        visits = [asyncio.create_task(visit(room, door, at_work, next(numbers))) for _ in range(5)]
        assert not await visits[4]
        assert at_work == [0, 1]
        door.set()
        assert await asyncio.gather(*visits) == [True, True, True, True, False]
        assert at_work == [0, 1, 2, 3]
        assert await visit(room, door, at_work, 5)

    asyncio.run(scene())


def test_images_of_one_host_take_half_of_the_turns() -> None:
    """Four images of a slow host wait in the end for two turns; an image of another host gets one at once."""

    async def scene() -> None:
        room, door, at_work = WaitingRoom(4, 4), asyncio.Event(), list[str]()

        async def visit(host: str) -> None:
            async with room.turn(host):
                at_work.append(host)
                await door.wait()

        slow = [asyncio.create_task(visit("slow")) for _ in range(4)]
        await asyncio.sleep(0)
        other = asyncio.create_task(visit("other"))
        await asyncio.sleep(0)
        assert at_work == ["slow", "slow", "other"]
        door.set()
        await asyncio.gather(*slow, other)
        assert at_work.count("slow") == 4

    asyncio.run(scene())


def test_who_fails_leaves_the_room() -> None:
    """A request that ends in an error frees its place."""

    async def scene() -> None:
        room = WaitingRoom(1, 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), room.place():
                async with room.turn("host"):
                    _ = 1 / 0

    asyncio.run(scene())
