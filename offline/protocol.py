"""How a decoder is measured: fitted on one side of a split, asked on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.grey import Grey
from offline.models.calibration import expected_calibration_error
from offline.models.data import TrainingData, time_groups
from offline.models.registry import fit_model, predict
from rtdecode.errors import UserError
from rtdecode.session.model import Units
from rtdecode.splits import Fold
from rtdecode.tasks import Task
from rtdecode.windows import WindowSpec

# The response has not begun: an image that changes every 250 ms still shows the one before.
EARLY_WINDOW = WindowSpec(0, 30_000, 30_000)
MIN_TRIALS = 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """Probabilities of kept-out trials.

    Attributes
    ----------
    rows : (n,) int64
        Rows of the task, in order of the folds.
    codes : (n,) int64
        True class.
    probabilities : (n, classes) float32
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the top class is the true one, (n,) bool."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.codes
        return right

    @property
    def accuracy(self) -> float:
        """Share of trials whose top class is the true one."""
        return float(self.right.mean())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the top class."""
        return expected_calibration_error(self.probabilities, self.codes)

    @property
    def chance(self) -> float:
        """Share of the commonest class: what always guessing it would get."""
        return float(np.bincount(self.codes).max() / len(self.codes))


def inner_groups(task: Task, fold: Fold) -> NDArray[np.int64]:
    """Groups inside a fold's training trials: blocks if blocks are kept out, else time."""
    blocks = task.blocks[fold.train]
    if fold.name.startswith("block") and len(np.unique(blocks)) > 1:
        return blocks
    return time_groups(len(fold.train))


def image_order(units: Units) -> NDArray[np.int64]:
    """Rows of a neural image, (units,) int64: by area, then by depth."""
    order: NDArray[np.int64] = np.lexsort((np.nan_to_num(units.depths_um), units.areas))
    return order


def training_data(
    task: Task,
    counts: NDArray[np.uint16],
    fold: Fold,
    *,
    units: Units | None = None,
    grey: Grey | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> TrainingData:
    """The training trials of a fold.

    Raises
    ------
    UserError
        If a class has too few of them.
    """
    codes = task.codes()[fold.train]
    number = np.bincount(codes, minlength=len(task.classes))
    if number.min() < MIN_TRIALS:
        fewest = task.classes[int(number.argmin())]
        raise UserError(
            f"every class needs at least {MIN_TRIALS} training trials; class {fewest} of task "
            f"{task.name} has {number.min()} ({fold.name}): use a larger --train-share, "
            "--split random or another task"
        )
    conditions, class_of = task.conditions()
    nothing = np.empty((0, 0, 0), np.uint16)
    return TrainingData(
        counts[fold.train],
        codes,
        len(task.classes),
        inner_groups(task, fold),
        conditions[fold.train],
        class_of,
        image_order(units) if units is not None else np.arange(counts.shape[2]),
        nothing if grey is None else grey.before_or_far_from(task, fold),
        device,
        checkpoint,
    )


def run_folds(
    task: Task,
    counts: NDArray[np.uint16],
    folds: Sequence[Fold],
    model: str,
    *,
    seed: int = 0,
    shuffled: bool = False,
    units: Units | None = None,
    grey: Grey | None = None,
    device: str = "cpu",
) -> Outcome:
    """Fit and ask a model on every fold.

    Parameters
    ----------
    task : Task
    counts : (n, bins, units) uint16
    folds : sequence of Fold
    model : str
    seed : int
    shuffled : bool
        Deal the training labels out anew: a decoder that then beats chance
        was told what it should not know.
    units : Units or None
        Their areas and depths sort a neural image.
    grey : Grey or None
        Windows without a stimulus.
    device : str
    """
    codes = task.codes()
    generator = np.random.default_rng(seed)
    parts = []
    for fold in folds:
        data = training_data(task, counts, fold, units=units, grey=grey, device=device)
        if shuffled:
            dealt = generator.permutation(len(data))
            data = replace(data, counts=data.counts[dealt])
        parts.append(predict(fit_model(model, data, seed), counts[fold.test]))
    rows = np.concatenate([fold.test for fold in folds])
    return Outcome(rows, codes[rows], np.concatenate(parts))


def summarise(outcome: Outcome) -> dict[str, float]:
    """Figures of an outcome by name."""
    return {
        "accuracy": outcome.accuracy,
        "chance": outcome.chance,
        "calibration_error": outcome.calibration_error,
        "trials": float(len(outcome.rows)),
    }
