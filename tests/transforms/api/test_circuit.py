"""The circuit stops all sending when further calls would fail in the same way."""

from threading import Thread

import pytest

from facebeam.schemas.errors import ErrorCode, Trouble
from facebeam.schemas.values import NOT_SENT, Failure, FailureError
from facebeam.transforms.api.circuit import MOST_IN_A_ROW, TROUBLE_S, Circuit


def failure(code: ErrorCode) -> Failure:
    """Give a failure of a call that was sent."""
    return Failure(code, "because", stage="annotate", maybe_billed=True)


def is_open(circuit: Circuit) -> bool:
    """Tell whether the circuit refuses a call."""
    try:
        circuit.check()
    except FailureError:
        return True
    return False


@pytest.mark.parametrize("code", [ErrorCode.INVALID_TOKEN, ErrorCode.USED_UP, ErrorCode.PAYMENT_REQUIRED])
def test_a_failure_of_the_account_opens_it_at_once(code: ErrorCode) -> None:
    """One account failure opens the circuit; later calls fail with the same code, neither sent nor billed."""
    circuit = Circuit()
    circuit.failed(failure(code))
    with pytest.raises(FailureError) as error:
        circuit.check()
    cause = error.value.failure
    assert (cause.code, cause.stage, cause.was_sent, cause.maybe_billed) == (code, NOT_SENT, False, False)


SERIES = {
    code: most
    for trouble, most in MOST_IN_A_ROW.items()
    for code in ErrorCode
    if code.about.trouble is trouble
}


@pytest.mark.parametrize(("code", "series"), SERIES.items())
def test_an_unbroken_series_opens_it(code: ErrorCode, series: int) -> None:
    """The last failure of a full series opens the circuit; the one before does not."""
    circuit = Circuit()
    for _ in range(series - 1):
        circuit.failed(failure(code))
    assert not is_open(circuit)
    circuit.failed(failure(code))
    assert is_open(circuit)


@pytest.mark.parametrize(
    "breaks", [Circuit.succeeded, lambda circuit: circuit.failed(failure(ErrorCode.OTHER))]
)
def test_an_answer_of_any_kind_breaks_a_series(breaks: object) -> None:
    """An answer, or a failure of one image only, shows that the service works, and ends a series."""
    circuit = Circuit()
    for i in range(2 * max(MOST_IN_A_ROW.values())):
        circuit.failed(failure(ErrorCode.TLS_ERROR))
        if i % 10 == 0:
            assert callable(breaks)
            breaks(circuit)
    assert not is_open(circuit)


PASSING = {Trouble.UNREACHABLE, Trouble.FAILING, Trouble.OVERLOADED}
IN_TROUBLE = [code for code in ErrorCode if code.about.trouble in PASSING]


@pytest.mark.parametrize("code", IN_TROUBLE)
def test_trouble_that_does_not_end_opens_it(code: ErrorCode) -> None:
    """Two minutes of such failures without an answer open the circuit; less time does not."""
    now = 0.0
    circuit = Circuit(clock=lambda: now)
    while not is_open(circuit) and now < 1000:
        now += 1
        circuit.failed(failure(code))
    assert now == TROUBLE_S + 1


@pytest.mark.parametrize("code", IN_TROUBLE)
def test_trouble_that_passes_opens_nothing(code: ErrorCode) -> None:
    """The circuit stays closed after a burst of server errors, and after errors with answers in between."""
    now = 0.0
    circuit = Circuit(clock=lambda: now)
    for _ in range(2 * max(MOST_IN_A_ROW.values())):
        circuit.failed(failure(code))
    assert not is_open(circuit)
    for _ in range(100):
        circuit.succeeded()
        now += TROUBLE_S / 2
        circuit.failed(failure(code))
    assert not is_open(circuit)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_knows_whether_it_can_stop_a_run(code: ErrorCode) -> None:
    """`can_stop_the_run` is true for exactly the codes that open a circuit, at once or in time."""
    now = 0.0
    circuit = Circuit(clock=lambda: now)
    while not is_open(circuit) and now < 1000:
        now += 10
        circuit.failed(failure(code))
    assert is_open(circuit) == code.about.can_stop_the_run


def test_an_answer_waits_while_a_failure_is_counted() -> None:
    """An answer ends the row before or after a failure is counted, and never in between: it would be lost."""
    waited: list[bool] = []

    def clock() -> float:
        """Answer on another thread while `failed` is at work."""
        answer = Thread(target=circuit.succeeded)
        answer.start()
        answer.join(timeout=0.2)
        waited.append(answer.is_alive())
        return 0.0

    circuit = Circuit(clock)
    circuit.failed(failure(ErrorCode.TLS_ERROR))
    assert waited == [True]


def test_the_first_cause_counts() -> None:
    """The circuit keeps the cause that opened it; later failures do not replace it."""
    circuit = Circuit()
    circuit.open(failure(ErrorCode.USED_UP))
    circuit.failed(failure(ErrorCode.INVALID_TOKEN))
    with pytest.raises(FailureError) as error:
        circuit.check()
    assert error.value.failure.code is ErrorCode.USED_UP


def test_a_sleeper_is_woken_by_the_opening() -> None:
    """A thread that sleeps for an hour before a retry wakes with an error when the circuit opens."""
    circuit = Circuit()
    ended: list[ErrorCode] = []

    def wait() -> None:
        try:
            circuit.sleep(3600)
        except FailureError as error:
            ended.append(error.failure.code)

    thread = Thread(target=wait)
    thread.start()
    circuit.open(failure(ErrorCode.USED_UP))
    thread.join(timeout=60)
    assert ended == [ErrorCode.USED_UP]


def test_a_sleep_that_is_not_disturbed_ends_in_silence() -> None:
    """A sleep ends without an error while the circuit is closed."""
    circuit = Circuit()
    circuit.sleep(0.01)
    assert not is_open(circuit)
