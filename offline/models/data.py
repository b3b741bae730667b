"""What a model is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Trials of training and how to part them once more.

    Attributes
    ----------
    counts : (n, bins, units) uint16
    codes : (n,) int64
        Class of each trial, in ``range(n_classes)``.
    n_classes : int
    groups : (n,) int64
        Stretches of time (or blocks). What a model chooses for itself, and its
        calibration, it measures on a group that it was not fitted to, so that
        the drift between groups is in the measure.
    conditions : (n,) int64
        Which stimulus each trial showed, finer than its class.
    class_of : (stimuli,) int64
        Class of each stimulus.
    order : (units,) int64
        Rows of the neural image.
    grey : (m, bins, units) uint16
        Windows without a stimulus; may be none.
    device : str
        Where torch fits: ``cpu`` or ``cuda``.
    checkpoint : Path or None
        Folder that keeps a network's training while it goes on.
    """

    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]
    n_classes: int
    groups: NDArray[np.int64]
    conditions: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    class_of: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    grey: NDArray[np.uint16] = field(default_factory=lambda: np.empty((0, 0, 0), np.uint16))
    device: str = "cpu"
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        """Without conditions, each class is one; without an order, units stand as they are."""
        if len(self.class_of) == 0:
            object.__setattr__(self, "conditions", self.codes)
            object.__setattr__(self, "class_of", np.arange(self.n_classes))
        if len(self.order) == 0:
            object.__setattr__(self, "order", np.arange(self.counts.shape[2]))
        if len(self.grey) == 0:
            object.__setattr__(self, "grey", np.empty((0, *self.counts.shape[1:]), np.uint16))

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> TrainingData:
        """The trials of these rows."""
        return replace(
            self,
            counts=self.counts[rows],
            codes=self.codes[rows],
            groups=self.groups[rows],
            conditions=self.conditions[rows],
        )

    def inner_folds(self) -> list[tuple[TrainingData, TrainingData]]:
        """Leave one group out: what is fitted and what is measured, a pair a group.

        Trials of a class that only the left-out group has are not measured.
        """
        pairs = []
        for group in np.unique(self.groups).tolist():
            fitted = self.take(self.groups != group)
            known = np.isin(self.codes, np.unique(fitted.codes))
            pairs.append((fitted, self.take((self.groups == group) & known)))
        return [(fitted, held) for fitted, held in pairs if len(fitted) and len(held)]


def time_groups(n: int, groups: int = 5) -> NDArray[np.int64]:
    """Trials in order of time, parted into stretches of equal length, (n,) int64."""
    return np.arange(n) * groups // max(n, 1)
