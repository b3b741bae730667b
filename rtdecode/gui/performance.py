"""How well the decoder does: accuracy, confusions, and whether its probabilities are honest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.packets import Decision
from rtdecode.gui.rings import SlidingTable

#: Windows of the running accuracy, points of its curve, and bins of the reliability.
RUNNING, CURVE, RELIABILITY_BINS = 50, 1_000, 10


@dataclass(frozen=True)
class Reliability:
    """Share of correct decisions among those of like probability.

    Attributes
    ----------
    stated : (bins,) float64
        Mean probability of the decided class; NaN in an empty bin.
    found : (bins,) float64
        Share correct; NaN in an empty bin.
    counts : (bins,) int64
    """

    stated: NDArray[np.float64]
    found: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al., AAAI 2015): the mean gap, by count."""
        gaps = np.abs(self.stated - self.found)
        total = self.counts.sum()
        return float(np.nansum(gaps * self.counts) / total) if total else float("nan")


class Performance:
    """Tallies over the windows whose true label is known.

    Parameters
    ----------
    classes : tuple of str
        The decoder's classes. A true label outside them counts as wrong in the
        accuracy and as `foreign` beside the confusion matrix.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.n = self.n_correct = self.foreign = 0
        self.confusion = np.zeros((len(classes), len(classes)), np.int64)
        self._index = {name: i for i, name in enumerate(classes)}
        self._correct = SlidingTable(CURVE + RUNNING, bool)
        self._curve = SlidingTable(CURVE, np.float64, (2,))
        self._sums = np.zeros((3, RELIABILITY_BINS))

    def add(self, decisions: Iterable[Decision]) -> None:
        """Count decisions; those without a true label are passed over."""
        for decision in decisions:
            if decision.correct is not None:
                self._add(decision, decision.correct)

    def _add(self, decision: Decision, correct: bool) -> None:
        self.n += 1
        self.n_correct += correct
        self._correct.extend(np.array([correct]))
        self._curve.extend(np.array([[self.running, self.overall]]))
        self._tally_confusion(decision)
        self._tally_probability(decision.p, correct)

    def _tally_confusion(self, decision: Decision) -> None:
        true, top = self._index.get(decision.label), self._index.get(decision.top)
        if true is None or top is None:
            self.foreign += 1
        else:
            self.confusion[true, top] += 1

    def _tally_probability(self, p: float, correct: bool) -> None:
        if np.isfinite(p):
            place = min(RELIABILITY_BINS - 1, int(max(0.0, p) * RELIABILITY_BINS))
            self._sums[:, place] += (1.0, p, correct)

    @property
    def chance(self) -> float:
        """One in so many classes."""
        return 1.0 / len(self.classes) if self.classes else float("nan")

    @property
    def overall(self) -> float:
        """Share correct of all; NaN without any."""
        return self.n_correct / self.n if self.n else float("nan")

    @property
    def running(self) -> float:
        """Share correct of the last `RUNNING`; NaN without any."""
        newest = self._correct.rows[-RUNNING:]
        return float(newest.mean()) if len(newest) else float("nan")

    @property
    def curve(self) -> NDArray[np.float64]:
        """Running and overall accuracy after each of the newest windows, (windows, 2)."""
        return self._curve.rows

    @property
    def reliability(self) -> Reliability:
        """Probabilities beside what came true."""
        counts, stated, correct = self._sums
        filled = np.where(counts > 0, counts, np.nan)
        return Reliability(stated / filled, correct / filled, counts.astype(np.int64))
