"""The rate limit of the pacer, on a fake clock that moves when somebody sleeps."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from facebeam.transforms.api.pacer import Pacer


class Clock:
    """A fake clock that each sleep moves forward, by a little more than asked for."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.oversleep_s = oversleep_s

    def read(self) -> float:
        """Give the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now_s += seconds + self.oversleep_s


def released(pacer: Pacer, clock: Clock, calls: int) -> list[float]:
    """Send calls through the pacer; give the time at which each one leaves."""
    times = []
    for _ in range(calls):
        pacer.wait_for_turn().sent()
        times.append(clock.now_s)
    return times


def most_in_a_second(times: list[float]) -> int:
    """Count the calls in the busiest window of one second."""
    return max(sum(start <= time < start + 1 for time in times) for start in times)


@given(rate=st.integers(1, 60), oversleep_s=st.floats(0, 0.3))
def test_no_second_has_more_calls_than_allowed(rate: int, oversleep_s: float) -> None:
    """No window of one second has more calls than the rate, however late threads wake up."""
    clock = Clock(oversleep_s)
    assert most_in_a_second(released(Pacer(rate, clock.read, clock.sleep), clock, 4 * rate + 2)) <= rate


def test_an_idle_time_is_not_saved_up() -> None:
    """After a minute without calls, no second has more calls than the rate."""
    clock = Clock()
    pacer = Pacer(50, clock.read, clock.sleep)
    times = released(pacer, clock, 100)
    clock.now_s += 60
    assert most_in_a_second(times + released(pacer, clock, 200)) <= 50


def test_the_rate_is_reached() -> None:
    """The pacer uses at least 98 % of the rate when calls always wait."""
    clock = Clock(0.001)
    times = released(Pacer(50, clock.read, clock.sleep), clock, 3001)
    assert 3000 / (times[-1] - times[0]) >= 0.98 * 50


def test_a_rate_below_one_is_a_call_in_so_many_seconds() -> None:
    """A rate of 0.1 lets one call leave every ten seconds."""
    clock = Clock()
    times = released(Pacer(0.1, clock.read, clock.sleep), clock, 4)
    assert all(9.99 <= b - a <= 10.2 for a, b in itertools.pairwise(times))


def test_a_refusal_halves_the_rate_and_it_creeps_back() -> None:
    """A refusal halves the rate at once. After two seconds it is nearly back, a minute later fully."""
    clock = Clock()
    pacer = Pacer(50, clock.read, clock.sleep)
    released(pacer, clock, 200)
    pacer.slow_down()
    before = pacer.rate_per_s
    clock.now_s += 2
    after = pacer.rate_per_s
    clock.now_s += 60
    assert 24 <= before <= 25
    assert 47 <= after <= 49
    assert pacer.rate_per_s == 50


def test_refusals_of_one_moment_count_once() -> None:
    """Ten refusals at the same moment halve the rate only once."""
    clock = Clock()
    pacer = Pacer(50, clock.read, clock.sleep)
    released(pacer, clock, 200)
    for _ in range(10):
        pacer.slow_down()
    assert pacer.rate_per_s >= 24


def test_a_pause_that_is_asked_for_is_kept() -> None:
    """After `slow_down(for_s=7)`, as for a Retry-After of 7 seconds, no call leaves for 7 seconds."""
    clock = Clock()
    pacer = Pacer(50, clock.read, clock.sleep)
    pacer.wait_for_turn().sent()
    pacer.slow_down(for_s=7)
    assert released(pacer, clock, 1)[0] >= 7


def test_a_service_that_lets_in_less_is_found_out() -> None:
    """A pacer for 50 calls per second adapts to a service that accepts 30 per second.

    After a minute at least 90 % of 30 calls per second succeed, and few are refused.
    """
    clock = Clock(0.001)
    pacer = Pacer(50, clock.read, clock.sleep)
    taken: list[float] = []
    refused: list[float] = []
    while clock.now_s < 180:
        pacer.wait_for_turn().sent()
        recent = [time for time in taken[-40:] if time > clock.now_s - 1]
        (taken if len(recent) < 30 else refused).append(clock.now_s)
        if refused and refused[-1] == clock.now_s:
            pacer.slow_down()
    steady = sum(time >= 60 for time in taken)
    assert steady >= 0.9 * 30 * 120
    assert sum(time >= 60 for time in refused) <= 0.03 * steady
