"""Tell the engine that a source waits on purpose, so that it does not add workers that would wait too."""

from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler


class ThrottlingSignal:
    """Beam's counter `cumulativeThrottlingSeconds`; only the bundle's own thread may use it."""

    def __init__(self) -> None:
        self._signaler = ThrottlingSignaler("facebeam")
        self._told_s = 0

    def tell(self, throttled_s: float) -> None:
        """Report the whole seconds that were added since the last call; `throttled_s` is the total so far."""
        new_s = int(throttled_s) - self._told_s
        if new_s > 0:
            self._signaler.signal_throttled(new_s)
            self._told_s += new_s
