"""Whether more comes than can be taken: said at once, and for a while after."""

from __future__ import annotations

from rtdecode.engine import Engine
from rtdecode.kernels.ingest import LOST, WATERMARKS
from rtdecode.microseconds import US_PER_MS, US_PER_S

LOSING = "spikes are lost: more come than source, network or decoder can carry"
BEHIND = "falling behind: windows close before all of their spikes are in"
SAID_US = 1 * US_PER_S
FLOWING_US = 50 * US_PER_MS  # a source that is silent for longer has stopped: nobody is behind


class Strain:
    """Watches what is lost, and windows that could not wait for their spikes."""

    def __init__(self) -> None:
        self._lost = 0
        self._losing_until_us = self._behind_until_us = 0

    def closed(self, engine: Engine, by_watermark: bool, age_us: int, now_us: int) -> None:
        """Note how a window closed; ``age_us`` is since a row last arrived."""
        told = engine.intake.tally[WATERMARKS] > 0  # without any, lateness closes every window
        if told and not by_watermark and age_us < FLOWING_US:
            self._behind_until_us = now_us + SAID_US

    def warning(self, engine: Engine, now_us: int) -> str:
        """What is wrong, or was within the last second; empty for nothing."""
        lost = int(engine.intake.tally[LOST])
        if lost > self._lost:
            self._losing_until_us = now_us + SAID_US
        self._lost = lost
        if now_us < self._losing_until_us:
            return LOSING
        return BEHIND if now_us < self._behind_until_us else ""
