"""Deciding early: when what has come of a window so far is sure enough.

In a closed loop the window is the latency. Evidence adds up over it; to decide as
soon as one class is likely enough takes the shortest time on average (Wald 1945).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtdecode.decision import CountArray, ProbabilityArray
from rtdecode.microseconds import US_PER_MS
from rtdecode.windows import WindowSpec


@dataclass(frozen=True)
class StoppingRule:
    """After which bins of a window to look, and what is enough.

    Attributes
    ----------
    predict : callable
        (bins, units) uint16 and a number of bins to (classes,) float32.
    steps : tuple of int
        Numbers of bins after which to look; upwards. The last decides in any case.
    decide_at : float
        Top probability at which to decide.
    """

    predict: Callable[[CountArray, int], ProbabilityArray]
    steps: tuple[int, ...]
    decide_at: float

    def is_enough(self, probabilities: ProbabilityArray, bins: int) -> bool:
        """Whether to decide by these probabilities (classes,) of the first ``bins``."""
        # As float32 on both sides, whatever the version of NumPy.
        return bins >= self.steps[-1] or bool(probabilities.max() >= np.float32(self.decide_at))

    def next_step(self, bins: int) -> int:
        """How many bins to wait for where ``bins`` were not enough."""
        return next(step for step in self.steps if step > bins)


def first_bins(counts: CountArray, bins: int) -> CountArray:
    """The first rows of counts (bins, units), to be filled; the others are cleared."""
    counts[bins:] = 0
    return counts[:bins]


class DecisionTimes:
    """When decisions fell, from onset on.

    Parameters
    ----------
    spec : WindowSpec
        The window that they would have waited for.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self._whole_us = spec.offset_us + spec.duration_us
        self._n = self._sum_us = self._early = 0

    def add(self, after_us: int) -> None:
        """Note a decision made of what came until so long after onset."""
        self._n += 1
        self._sum_us += after_us
        self._early += after_us < self._whole_us

    def told(self) -> dict[str, float]:
        """As figures of a run: the mean beside the window's end, and the share before it."""
        if not self._n:
            return {}
        return {
            "mean_ms": round(self._sum_us / self._n / US_PER_MS, 3),
            "window_ms": self._whole_us / US_PER_MS,
            "share_early": round(self._early / self._n, 4),
        }
