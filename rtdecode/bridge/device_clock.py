"""An acquisition device's clock on the LSL clock, from arrivals alone.

A message tells the device's time; its arrival is later by a delay that is never
negative, mostly of a processing block, and jitters. So the map hugs the earliest
arrivals: of all lines below every point (device time, arrival - device time), the
one that lies closest to them on the whole. That is the edge of their lower
convex hull above the mean device time.

S. B. Moon, P. Skelly and D. Towsley, "Estimation and removal of clock skew from
network delay measurements", Proc. IEEE INFOCOM 1999.

The smallest delay there is stays in the map, as a constant: a TTL loop-back on the
rig measures it.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rtdecode.microseconds import US_PER_S

CELL_US = 100_000  # of each such stretch the earliest arrival is kept
HORIZON_CELLS = 900
SLOPE_SPAN_US = 10 * US_PER_S  # over a shorter stretch jitter would pass for drift
MOST_DRIFT = 500e-6
BACK_US = 500_000  # device time further behind the newest is of a new acquisition
EARLY_US = 100_000  # nothing arrives before it was sent, but for what the fit does not know yet
STALLED_US = 2 * US_PER_S  # later than this,
PAUSED_US = 1_500_000  # for so long, and acquisition was paused: nothing catches up
YOUNG_CELLS = 20  # before, the first arrival may itself have been late
STRANGE = 10  # messages in a row that no line explains, but one together, begin a new one
AGREE_US = 300_000


class DeviceClock:
    """Device time to LSL time, for one stream of one acquisition after another.

    Attributes
    ----------
    restarts : int
        How often the device's clock began anew.
    strange : int
        Messages whose device time could not be; they are not mapped.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.strange = 0
        self._slope = 0.0
        self._begin()

    def _begin(self) -> None:
        """Forget the line; the drift is the same quartz's still."""
        self._cells: deque[tuple[float, float]] = deque(maxlen=HORIZON_CELLS)
        self._delays: deque[tuple[float, float]] = deque(maxlen=HORIZON_CELLS)
        self._cell = (-1, 0.0, 0.0)
        self._late = 0.0
        self._origin = self._level = 0.0
        self._newest = -np.inf
        self._odd: list[float] = []
        self._known = False
        self._late_since_us = -1

    @property
    def drift_ppm(self) -> float:
        """How much faster the LSL clock runs than the device's, parts per million."""
        return self._slope * 1e6

    @property
    def residual_us(self) -> float:
        """Median height of the earliest arrivals, one every 100 ms, over the line."""
        if not self._cells:
            return 0.0
        x, y = np.array(self._cells).T
        return float(np.median(y - self._line(x)))

    @property
    def delay_us(self) -> float:
        """Longest delay of a message over the line, lately."""
        return max([self._late, *(delay for _, delay in list(self._delays)[-100:])])

    def see(self, device_us: NDArray[np.float64], arrival_us: int) -> NDArray[np.bool_]:
        """Learn from messages that were read at once; which of them are sane.

        Parameters
        ----------
        device_us : (n,) float64
            Device time of each.
        arrival_us : int
            When they had arrived, LSL clock.

        Returns
        -------
        (n,) bool
            False where a device time could not be: leave that message out.
        """
        sane = np.ones(len(device_us), np.bool_)
        if not len(device_us):
            return sane
        if self._known and self._all_fit(device_us, arrival_us):
            self._learn(device_us, arrival_us)
            return sane
        for i, one in enumerate(device_us.tolist()):
            sane[i] = self._see_one(one, arrival_us)
        return sane

    def lsl_us(self, device_us: NDArray[np.float64]) -> NDArray[np.int64]:
        """LSL times of device times, (n,) int64 microseconds."""
        times_us: NDArray[np.int64] = np.rint(device_us + self._line(device_us)).astype(np.int64)
        return times_us

    def _line(self, device_us: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._level + self._slope * (device_us - self._origin)

    def _all_fit(self, device_us: NDArray[np.float64], arrival_us: int) -> bool:
        delay = arrival_us - device_us - self._line(device_us)
        return bool(
            device_us.min() > self._newest - BACK_US
            and delay.min() > -(EARLY_US if len(self._cells) >= YOUNG_CELLS else STALLED_US)
            and delay.max() < STALLED_US
        )

    def _see_one(self, device_us: float, arrival_us: int) -> bool:
        """One message that may begin a new acquisition, or be nonsense."""
        one = np.array([device_us])
        if not self._known or self._all_fit(one, arrival_us):
            self._odd.clear()
            self._late_since_us = -1
            self._learn(one, arrival_us)
            return True
        if self._is_late(device_us, arrival_us):
            return True
        self._odd.append(arrival_us - device_us)
        # A new clock keeps its own time; nonsense agrees with nothing, itself included.
        lately = self._odd[-STRANGE:]
        if len(lately) < STRANGE or max(lately) - min(lately) > AGREE_US:
            self.strange += 1
            return False
        self.restarts += 1
        self._begin()
        self._learn(one, arrival_us)
        return True

    def _is_late(self, device_us: float, arrival_us: int) -> bool:
        """Whether a message has waited for long: on its line, but nothing to learn from."""
        delay = arrival_us - device_us - float(self._line(np.array([device_us]))[0])
        if delay < STALLED_US or device_us < self._newest - BACK_US:
            return False
        if self._late_since_us < 0:
            self._late_since_us = arrival_us
        return arrival_us - self._late_since_us < PAUSED_US

    def _learn(self, device_us: NDArray[np.float64], arrival_us: int) -> None:
        """Take the earliest arrival of each 100 ms; draw the line anew as each is over."""
        offset = arrival_us - device_us - self._slope * (device_us - self._origin)
        best = int(np.argmin(offset))
        x, y = float(device_us[best]), float(arrival_us - device_us[best])
        self._newest = max(self._newest, float(device_us.max()))
        if not self._known:
            self._known = True
            self._origin, self._level = x, y
        number, _, lowest = self._cell
        cell = int(x // CELL_US)
        # What comes in disorder counts for the cell at hand: lower is earlier anywhere.
        if cell > number:
            self._close_cell()
            self._cell = (cell, x, y)
        elif y - self._slope * (x - self._cell[1]) < lowest:
            self._cell = (number, x, y)
        height = float(self._line(np.array([x]))[0])
        if y < height:
            self._level -= height - y  # at once: no arrival is before its own time
        delay = arrival_us - device_us - self._line(device_us)
        self._late = max(self._late, float(delay.max()))

    def _close_cell(self) -> None:
        number, x, y = self._cell
        if number < 0:
            return
        self._cells.append((x, y))
        self._delays.append((x, self._late))
        self._late = 0.0
        points = np.array(self._cells)
        if points[-1, 0] - points[0, 0] >= SLOPE_SPAN_US:
            self._slope = float(np.clip(supporting_slope(points), -MOST_DRIFT, MOST_DRIFT))
        self._origin = x
        self._level = float(np.min(points[:, 1] - self._slope * (points[:, 0] - x)))


def supporting_slope(points: NDArray[np.float64]) -> float:
    """Slope of the lower hull's edge above the mean of x.

    Parameters
    ----------
    points : (n, 2) float64
        In order of x, at least two that differ in it.
    """
    hull: list[tuple[float, float]] = []
    for x, y in points.tolist():
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((x, y))
    mean = float(points[:, 0].mean())
    place = next((i for i, (x, _) in enumerate(hull) if x >= mean), len(hull) - 1)
    (x0, y0), (x1, y1) = hull[max(0, place - 1)], hull[max(1, place)]
    return (y1 - y0) / (x1 - x0)


def _is_above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b is on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
