"""How often the likeliest class was the one that was shown, however long a run lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rtdecode.decision import ProbabilityArray
from rtdecode.trigger import are_probabilities


class Score:
    """Counts labelled windows, and those that were right.

    Parameters
    ----------
    classes : sequence of str
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._shown: Counter[str] = Counter()
        self._right = 0

    def add(self, label: str, probabilities: ProbabilityArray) -> None:
        """A window's label, empty for none, and its answer (classes,); no answer is not right."""
        if not label:
            return
        self._shown[label] += 1
        right = self._classes[int(np.argmax(probabilities))] == label
        self._right += right and are_probabilities(probabilities)

    def labelled(self) -> int:
        """How many windows carried a true label."""
        return self._shown.total()

    def accuracy(self) -> float | None:
        """Share of labelled windows whose top class is the label; None without labels."""
        return self._right / self.labelled() if self._shown else None

    def chance(self) -> float | None:
        """Share of the commonest label: what always saying it would reach; None without labels."""
        return max(self._shown.values()) / self.labelled() if self._shown else None
