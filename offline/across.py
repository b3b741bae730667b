"""Figures of an animal whose decoder comes from other animals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.animals import read_animal
from offline.calibration_curve import Stretch, calibration_curve
from offline.controls import grey_task
from offline.evaluate import pooled_accuracy
from offline.grey import grey_windows
from offline.learning_curves import learn_from, learning_curve
from offline.models.registry import predict
from offline.protocol import Outcome, summarise
from offline.zero_shot import (
    TrainedTrunk,
    asked_views,
    classifier,
    stretch_folds,
    train_trunk,
    unlabelled_view,
)
from rtdecode.counts import count_session
from rtdecode.session import QualityFilter, Session, read_session
from rtdecode.tasks import Task, resolve_task
from rtdecode.windows import WindowSpec

ZERO_SHOT_WINDOW = WindowSpec.parse("50:250:50")


def trunk_from(paths: Sequence[Path], task_name: str, seed: int = 0) -> TrainedTrunk:
    """A set network trained on these animals."""
    animals, classes = [], 0
    for path in paths:
        session = read_session(path, quality=QualityFilter())
        task = resolve_task(session, task_name)
        classes = len(task.classes)
        animals.append(asked_views(session, task, ZERO_SHOT_WINDOW))
    return train_trunk(animals, classes, seed)


def asked_stretches(
    found: TrainedTrunk, session: Session, task: Task, counts: NDArray[np.uint16]
) -> list[Stretch]:
    """Each stretch of a session, with the network as windows of the other stretches make it."""
    grey = grey_windows(session, ZERO_SHOT_WINDOW)
    asked = []
    for fold in stretch_folds(task):
        still = grey.before_or_far_from(task, fold)
        view = unlabelled_view(counts[fold.train], still, session.units)
        asked.append(Stretch(fold, classifier(found.trunk, found.temperature, view), still))
    return asked


def zero_shot_outcome(found: TrainedTrunk, session: Session, task_name: str) -> dict[str, Any]:
    """Figures on stretches kept out one by one, units known from the others' windows alone.

    ``calibration_curve`` has what a few labelled trials add, beside what they
    give alone. ``drift_grey`` is the control: the same networks asked about the
    grey beside each block, which holds no response; the mean over blocks.
    """
    task = resolve_task(session, task_name)
    counts = count_session(session, task.onsets_us, ZERO_SHOT_WINDOW)
    stretches = asked_stretches(found, session, task, counts)
    asked = np.concatenate([one.fold.test for one in stretches])
    parts = [predict(one.module, counts[one.fold.test]) for one in stretches]
    outcome = Outcome(asked, task.codes()[asked], np.concatenate(parts))
    return summarise(outcome) | {
        "accuracy_pooled_8": pooled_accuracy(task, outcome),
        "drift_grey": _grey_beside(stretches, session, task),
        "calibration_curve": calibration_curve(stretches, task, counts),
    }


def _grey_beside(stretches: Sequence[Stretch], session: Session, task: Task) -> float:
    """Share of the grey beside each block that is told as its type, mean over blocks."""
    control = grey_task(session, task)
    counts = count_session(session, control.onsets_us, ZERO_SHOT_WINDOW)
    codes = control.codes(task.classes)
    shares = [
        float((predict(one.module, counts[mine]).argmax(axis=1) == codes[mine]).mean())
        for one in stretches
        for block in np.unique(task.blocks[one.fold.test])
        if (mine := control.blocks == block).any()
    ]
    return float(np.mean(shares)) if shares else float("nan")


def run_zero_shot(path: Path, others: Sequence[Path], task_name: str) -> dict[str, Any]:
    """A new animal's figures by a network trained on the others."""
    session = read_session(path, quality=QualityFilter())
    figures = zero_shot_outcome(trunk_from(others, task_name), session, task_name)
    return {"session": session.name, "others": len(others), **figures}


def run_curve(
    path: Path, others: Sequence[Path], task_name: str, window: WindowSpec
) -> dict[str, Any]:
    """A new animal's learning curve with the others as donors."""
    donors = learn_from([read_animal(other, task_name, window) for other in others])
    animal = read_animal(path, task_name, window)
    curve = learning_curve(animal, donors)
    return {"session": animal.name, "curve": [{"session": animal.name, **row} for row in curve]}
