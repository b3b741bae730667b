"""An animal's trials of a task, and the few of them that a transfer to it may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.grey import grey_windows
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.session import QualityFilter, Session, read_session
from rtdecode.tasks import Task, resolve_task
from rtdecode.windows import WindowSpec


@dataclass(frozen=True, eq=False)
class NewAnimal:
    """What a transfer has of the new animal.

    Attributes
    ----------
    counts : (n, bins, units) uint16
        Of the calibration trials.
    codes : (n,) int64
    grey : (m, bins, units) uint16
        Windows without a stimulus, before the last calibration trial.
    n_classes : int
    areas : (units,) str
    """

    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]
    grey: NDArray[np.uint16]
    n_classes: int
    areas: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Animal:
    """One animal's trials of a task.

    Attributes
    ----------
    name : str
    counts : (n, bins, units) uint16
    codes : (n,) int64
    classes : tuple of str
    onsets_us : (n,) int64
    grey : (m, bins, units) uint16
    grey_onsets_us : (m,) int64
    areas : (units,) str
    """

    name: str
    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]
    onsets_us: NDArray[np.int64]
    grey: NDArray[np.uint16]
    grey_onsets_us: NDArray[np.int64]
    areas: NDArray[np.str_]

    def take(self, rows: NDArray[np.int64]) -> Animal:
        """These trials, in order of time, and the grey before the last of them."""
        still = self.grey_onsets_us < self.onsets_us[rows[-1]]
        return replace(
            self,
            counts=self.counts[rows],
            codes=self.codes[rows],
            onsets_us=self.onsets_us[rows],
            grey=self.grey[still],
            grey_onsets_us=self.grey_onsets_us[still],
        )

    def calibrated_on(self, rows: NDArray[np.int64]) -> NewAnimal:
        """What a transfer that calibrates on these trials has."""
        part = self.take(rows)
        return NewAnimal(part.counts, part.codes, part.grey, len(self.classes), self.areas)


def animal_of(
    session: Session, task: Task, window: WindowSpec, classes: tuple[str, ...] = ()
) -> Animal:
    """A session's trials of a task, in its classes or in these."""
    grey = grey_windows(session, window)
    classes = classes or task.classes
    return Animal(
        session.name,
        count_session(session, task.onsets_us, window),
        task.codes(classes),
        classes,
        task.onsets_us,
        grey.counts,
        grey.onsets_us,
        session.units.areas,
    )


def read_animal(path: Path, task_name: str, window: WindowSpec) -> Animal:
    """An animal's trials from its file; units that pass the quality filter."""
    session = read_session(path, quality=QualityFilter())
    return animal_of(session, resolve_task(session, task_name), window)


def first_trials(codes: NDArray[np.int64], n_classes: int, per_class: int) -> NDArray[np.int64]:
    """Rows of the first ``per_class`` trials of each class, in order of time.

    Raises
    ------
    UserError
        If a class has fewer.
    """
    if per_class < 1:
        raise UserError(
            f"expected --trials-per-class of 1 or more, found {per_class}: give some; only "
            "zero-shot, of a unit-set bundle, does without"
        )
    number = np.bincount(codes[codes >= 0], minlength=n_classes)
    if number.min() < per_class:
        raise UserError(
            f"expected at least {per_class} trials of every class, found as few as "
            f"{number.min()}: use fewer --trials-per-class"
        )
    rows = [np.flatnonzero(codes == c)[:per_class] for c in range(n_classes)]
    return np.sort(np.concatenate(rows))
