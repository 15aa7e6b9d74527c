"""Tell the engine that a source is held back on purpose: more workers would only wait with it."""

from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler


class ThrottlingSignal:
    """Beam's counter `cumulativeThrottlingSeconds`, which only a bundle's own thread has."""

    def __init__(self) -> None:
        self._signaler = ThrottlingSignaler("facebeam")
        self._told_s = 0

    def tell(self, held_back_s: float) -> None:
        """Pass on the whole seconds that have come since the last time."""
        new_s = int(held_back_s) - self._told_s
        if new_s > 0:
            self._signaler.signal_throttled(new_s)
            self._told_s += new_s
