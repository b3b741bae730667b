"""A decoder that comes from other animals, set right by a few labelled trials of the new one.

The network that needs no label stays as it is; the trials tell how much it is
to be believed and which classes it favours, under a prior that it is right as
it stands. Beside it a decoder that has those trials alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from offline.evaluate import pooled_accuracy
from offline.geometry import fit_with_geometry
from offline.models.calibration import Float64Array, negative_log_likelihood
from offline.models.registry import predict
from offline.protocol import Outcome
from rtdecode.splits import Fold
from rtdecode.tasks import Task

TRIALS = (1, 2, 5)
WAYS = ("calibrated", "scratch")
DRAWS = 5
# Spread of the priors of the class offsets and of the logarithm of the scale.
OFFSET_SPREAD, SCALE_SPREAD = 0.5, 0.25
LEAST_P = 1e-9


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of time that is asked, and what is known without it and without labels.

    Attributes
    ----------
    fold : Fold
    module : nn.Module
        The shared network with the animal's units as the other stretches show them.
    grey : (m, bins, units) uint16
    """

    fold: Fold
    module: torch.nn.Module
    grey: NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Setting:
    """How logits (n, classes) are set right: ``scale * logits + offsets``."""

    scale: float
    offsets: Float64Array

    def apply(self, logits: Float64Array) -> Float64Array:
        """Log probabilities, (n, classes)."""
        found: Float64Array = log_softmax(self.scale * logits + self.offsets, axis=1)
        return found


def fit_setting(logits: Float64Array, codes: NDArray[np.int64]) -> Setting:
    """The most probable setting given trials: logits (n, classes), codes (n,)."""

    def setting(values: Float64Array) -> Setting:
        return Setting(float(np.exp(values[0])), values[1:])

    def loss(values: Float64Array) -> float:
        misfit = len(codes) * negative_log_likelihood(setting(values).apply(logits), codes)
        return misfit + 0.5 * float(((values / spreads) ** 2).sum())

    spreads = np.array([SCALE_SPREAD, *[OFFSET_SPREAD] * logits.shape[1]])
    return setting(minimize(loss, np.zeros(len(spreads)), method="L-BFGS-B").x)


def drawn(
    fold: Fold, codes: NDArray[np.int64], k: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of k trials of each class at random from a fold's training side."""
    rows = [
        generator.choice(fold.train[codes[fold.train] == code], k, replace=False)
        for code in np.unique(codes)
    ]
    return np.concatenate(rows)


def calibration_curve(
    stretches: Sequence[Stretch],
    task: Task,
    counts: NDArray[np.uint16],
    trials: Sequence[int] = TRIALS,
    draws: int = DRAWS,
) -> list[dict[str, Any]]:
    """Accuracy, mean over draws of the trials, by trials a class and way.

    ``calibrated`` is the shared network set right by the trials, ``scratch`` the
    prior of `offline.geometry` without donors from the same trials.
    """
    logits = [np.log(predict(one.module, counts).astype(np.float64) + LEAST_P) for one in stretches]
    rows: list[dict[str, Any]] = []
    for k in trials:
        outcomes = [_one_draw(stretches, task, counts, logits, k, draw) for draw in range(draws)]
        rows += [
            {"k": k, "way": way} | _means(task, [found[way] for found in outcomes]) for way in WAYS
        ]
    return rows


def _one_draw(
    stretches: Sequence[Stretch],
    task: Task,
    counts: NDArray[np.uint16],
    logits: Sequence[Float64Array],
    k: int,
    draw: int,
) -> dict[str, Outcome]:
    """Both ways from the same trials, on every stretch."""
    codes, generator = task.codes(), np.random.default_rng([k, draw])
    parts: dict[str, list[NDArray[np.float32]]] = {way: [] for way in WAYS}
    for one, scores in zip(stretches, logits, strict=True):
        rows = drawn(one.fold, codes, k, generator)
        setting = fit_setting(scores[rows], codes[rows])
        found = np.exp(setting.apply(scores[one.fold.test]))
        parts["calibrated"].append(found.astype(np.float32))
        scratch, _ = fit_with_geometry(
            counts[rows], codes[rows], len(task.classes), None, grey=one.grey
        )
        parts["scratch"].append(predict(scratch, counts[one.fold.test]))
    asked = np.concatenate([one.fold.test for one in stretches])
    return {way: Outcome(asked, codes[asked], np.concatenate(p)) for way, p in parts.items()}


def _means(task: Task, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Figures of several draws."""
    return {
        "accuracy": float(np.mean([one.accuracy for one in outcomes])),
        "accuracy_pooled_8": float(np.mean([pooled_accuracy(task, one) for one in outcomes])),
        "calibration_error": float(np.mean([one.calibration_error for one in outcomes])),
    }
