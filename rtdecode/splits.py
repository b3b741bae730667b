"""Which trials train and which are kept out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.tasks import Task

SplitKind = Literal["random", "chronological", "block"]
SPLIT_KINDS: tuple[SplitKind, ...] = ("random", "chronological", "block")


def split_kind(text: str) -> SplitKind:
    """A split by its name; UserError if there is none of that name."""
    for kind in SPLIT_KINDS:
        if kind == text:
            return kind
    raise UserError(f"a split is one of {', '.join(SPLIT_KINDS)}; found {text!r}")


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to part the trials.

    Attributes
    ----------
    name : str
        ``random 1/5``, ``chronological``, ``block 9``.
    train, test : (n,) int64
        Rows of the task, in order.
    """

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def random_folds(task: Task, folds: int = 5, seed: int = 0) -> list[Fold]:
    """Each class dealt evenly into ``folds`` parts at random; each part is kept out once."""
    generator = np.random.default_rng(seed)
    part = np.empty(len(task), np.int64)
    dealt = 0
    for label in task.classes:
        rows = generator.permutation(np.flatnonzero(task.labels == label))
        part[rows] = (np.arange(len(rows)) + dealt) % folds
        dealt += len(rows)
    return [
        Fold(
            f"random {i + 1}/{folds}",
            np.flatnonzero(part != i),
            np.flatnonzero(part == i),
        )
        for i in range(folds)
    ]


def chronological_fold(task: Task, train_share: float = 0.6) -> Fold:
    """The first share of the presentations trains, the rest is kept out.

    Raises
    ------
    UserError
        If the share leaves nothing on one of the sides.
    """
    cut = round(len(task) * train_share)
    if not 0 < cut < len(task):
        raise UserError(
            f"the training share must leave presentations on both sides; {train_share:g} of "
            f"{len(task)} leaves {cut} to train: give a share between 0 and 1"
        )
    rows = np.arange(len(task))
    return Fold("chronological", rows[:cut], rows[cut:])


def block_folds(task: Task) -> list[Fold]:
    """Leave one block out. Every class that is tested also stands in a block that trains.

    Raises
    ------
    UserError
        If there is one block alone, or a class stands in one block alone.
    """
    blocks = np.unique(task.blocks)
    if len(blocks) < 2:
        raise UserError(
            f"split block needs at least 2 blocks (column stimulus_block); task {task.name} has "
            f"{len(blocks)}: use --split chronological"
        )
    folds = [
        Fold(
            f"block {b}",
            np.flatnonzero(task.blocks != b),
            np.flatnonzero(task.blocks == b),
        )
        for b in blocks.tolist()
    ]
    for fold in folds:
        _check_classes(task, fold)
    return folds


def _check_classes(task: Task, fold: Fold) -> None:
    lost = np.setdiff1d(task.labels[fold.test], task.labels[fold.train])
    if len(lost):
        raise UserError(
            f"split block needs every class in at least 2 blocks; {', '.join(lost[:3].tolist())} "
            f"stands in {fold.name} alone: use --split chronological or random"
        )


def make_folds(
    task: Task,
    kind: SplitKind,
    *,
    folds: int = 5,
    train_share: float = 0.6,
    seed: int = 0,
) -> list[Fold]:
    """The folds of a split by its name; see the functions above."""
    if kind == "random":
        return random_folds(task, folds, seed)
    if kind == "chronological":
        return [chronological_fold(task, train_share)]
    return block_folds(task)
