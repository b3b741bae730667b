"""Where the milliseconds of a decision go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.packets import STAGES, Decision
from rtdecode.gui.rings import SlidingTable

#: Rows of the table: the stages and their sum.
ROWS = (*STAGES, "total")
PERCENTILES = (50, 95, 99)
#: Edges of the histogram, milliseconds, even on a logarithmic axis.
EDGES_MS: NDArray[np.float64] = np.logspace(-3, 3, 73)


class Timing:
    """Stage times of the newest decisions.

    Parameters
    ----------
    keep : int
        How many decisions the percentiles roll over.
    """

    def __init__(self, keep: int = 1_000) -> None:
        self._table = SlidingTable(keep, np.float64, (len(ROWS),))
        self.over_deadline = self.n = 0

    def add(self, decisions: Iterable[Decision], deadline_ms: float) -> None:
        """Take in decisions and count those whose total is past the deadline."""
        for decision in decisions:
            row = _stage_row(decision.stages_ms)
            self._table.extend(row[np.newaxis])
            self.n += 1
            self.over_deadline += bool(row[-1] > deadline_ms)

    @property
    def ms(self) -> NDArray[np.float64]:
        """Milliseconds, (decisions, stages + total) float64; NaN where not measured."""
        return np.asarray(self._table.rows, np.float64)

    def percentiles(self) -> NDArray[np.float64]:
        """(stages + total, 4) float64 milliseconds: p50, p95, p99, max; NaN where unknown."""
        found = np.full((len(ROWS), len(PERCENTILES) + 1), np.nan)
        for row, values in enumerate(self.ms.T):
            finite = values[np.isfinite(values)]
            if len(finite):
                found[row] = np.percentile(finite, (*PERCENTILES, 100))
        return found

    def histograms(self) -> NDArray[np.float64]:
        """Share of decisions in each bin of `EDGES_MS`, (stages + total, bins) float64."""
        clipped = np.clip(self.ms, EDGES_MS[0], EDGES_MS[-1])
        shares = np.zeros((len(ROWS), len(EDGES_MS) - 1))
        for row, column in enumerate(clipped.T):
            shares[row] = np.histogram(column[np.isfinite(column)], EDGES_MS)[0]
        shares /= max(1, len(clipped))
        return shares


def _stage_row(stages_ms: Mapping[str, float]) -> NDArray[np.float64]:
    stages = np.array([stages_ms.get(stage, np.nan) for stage in STAGES])
    measured = np.isfinite(stages)
    summed = stages[measured].sum() if measured.any() else np.nan
    return np.append(stages, stages_ms.get("total", summed))
