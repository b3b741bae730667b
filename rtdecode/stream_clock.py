"""The clock that the stamps of a spike stream keep."""

from __future__ import annotations

from rtdecode import streams
from rtdecode.engine import Engine
from rtdecode.kernels.ingest import WATERMARKS
from rtdecode.microseconds import FOREVER_US


class StreamClock:
    """The clock that the spikes' stamps keep.

    At speed 1 that is the LSL clock. A replay at another speed has a clock of
    its own, which is carried on from its last watermark.
    """

    def __init__(self, engine: Engine, speed: float) -> None:
        self._engine = engine
        self._speed = speed
        self._watermark_us = 0
        self._seen_us = 0

    def now_us(self) -> int:
        """Stream time, microseconds."""
        lsl_us = streams.clock_us()
        if self._speed == 1.0:
            return lsl_us
        watermark_us = self._engine.watermark_us
        if watermark_us != self._watermark_us:
            self._watermark_us, self._seen_us = watermark_us, lsl_us
        if not self._engine.intake.tally[WATERMARKS]:
            return 0  # not known yet: no window is over
        return self._watermark_us + round((lsl_us - self._seen_us) * self._speed)

    def at_us(self, lsl_us: int) -> int:
        """Stream time when the LSL clock showed ``lsl_us``, a moment ago."""
        if self._speed == 1.0:
            return lsl_us
        return self.now_us() - round((streams.clock_us() - lsl_us) * self._speed)

    def latest_us(self, ahead_us: int) -> int:
        """A stamp after this comes from another clock; a replay's own is not known so well."""
        return self.now_us() + ahead_us if self._speed == 1.0 else FOREVER_US

    def lsl_us(self, stream_us: int) -> int:
        """When the LSL clock will show what is ``stream_us`` here."""
        if self._speed == 1.0:
            return stream_us
        wait_us = (stream_us - self.now_us()) / self._speed
        return streams.clock_us() + max(0, round(wait_us))
