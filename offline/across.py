"""Figures of an animal whose decoder comes from other animals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from offline.controls import grey_task
from offline.evaluate import pooled_accuracy
from offline.grey import grey_windows
from offline.learning_curves import learn_from, learning_curve, read_animal
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
from rtdecode.tasks import resolve_task
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


def zero_shot_outcome(found: TrainedTrunk, session: Session, task_name: str) -> dict[str, float]:
    """Figures on stretches kept out one by one, units known from the others' windows alone.

    ``drift_grey`` is the control: the same networks asked about the grey beside
    each block, which holds no response; the mean over blocks.
    """
    task = resolve_task(session, task_name)
    counts = count_session(session, task.onsets_us, ZERO_SHOT_WINDOW)
    grey = grey_windows(session, ZERO_SHOT_WINDOW)
    control = grey_task(session, task)
    still_counts = count_session(session, control.onsets_us, ZERO_SHOT_WINDOW)
    parts, rows = [], []
    beside: list[float] = []
    for fold in stretch_folds(task):
        still = grey.before_or_far_from(task, fold)
        view = unlabelled_view(counts[fold.train], still, session.units)
        module = classifier(found.trunk, found.temperature, view)
        parts.append(predict(module, counts[fold.test]))
        rows.append(fold.test)
        for block in np.unique(task.blocks[fold.test]):
            mine = control.blocks == block
            if mine.any():
                top = predict(module, still_counts[mine]).argmax(axis=1)
                beside.append(float((top == control.codes(task.classes)[mine]).mean()))
    asked = np.concatenate(rows)
    outcome = Outcome(asked, task.codes()[asked], np.concatenate(parts))
    return summarise(outcome) | {
        "accuracy_pooled_8": pooled_accuracy(task, outcome),
        "drift_grey": float(np.mean(beside)) if beside else float("nan"),
    }


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
