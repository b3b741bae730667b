"""Spikes a second over time: what is reported several times a second, smoothed."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.rings import SlidingTable

#: A report speaks of the short while since the one before, in which few spikes fall: only
#: the mean over this long, seconds, stands still enough to be read.
SMOOTH_S = 1.0
#: Points of the curve, one a second: five minutes.
KEPT = 300


class Rates:
    """Reported rates as a running mean, and as one point a second.

    Attributes
    ----------
    now : float
        Mean over the last second, spikes a second; NaN before the first report.
    n : int
        How many points have been entered in the curve.
    """

    def __init__(self) -> None:
        self.now, self.n = float("nan"), 0
        self._reports: deque[tuple[float, float]] = deque()
        self._curve = SlidingTable(KEPT, np.float64)
        self._entered_s: float | None = None

    def add(self, rate: float, now_s: float) -> None:
        """Take in a report of `rate` spikes a second, come at `now_s` of a steady clock."""
        reports = self._reports
        while reports and now_s - reports[0][0] > SMOOTH_S:
            reports.popleft()
        if np.isfinite(rate):
            reports.append((now_s, rate))
        self.now = float(np.mean([r for _, r in reports])) if reports else float("nan")
        self._enter(now_s)

    def _enter(self, now_s: float) -> None:
        """Add the points of the seconds that have gone by; empty where nothing was reported."""
        if self._entered_s is None:
            self._entered_s = now_s - SMOOTH_S
        seconds = int((now_s - self._entered_s) / SMOOTH_S)
        if seconds:
            self._entered_s += seconds * SMOOTH_S
            self.n += seconds
            self._curve.extend(np.append(np.full(min(KEPT, seconds) - 1, np.nan), self.now))

    @property
    def curve(self) -> NDArray[np.float64]:
        """A point a second, oldest first, (seconds,) float64; NaN where nothing was reported."""
        return self._curve.rows
