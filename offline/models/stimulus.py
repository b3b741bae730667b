"""Types of stimuli by way of the stimuli themselves.

A decoder that is told two types alone learns what differs between the blocks
they stand in. One that is told the stimuli (118 images, 30 gratings) must
learn responses; the probabilities of a type's stimuli then add up.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from offline.models.calibration import Float64Array, smoothed_loss
from offline.models.data import TrainingData
from offline.models.linear import (
    LinearClassifier,
    LinearMap,
    class_means,
    constant,
    features,
    lda_maps,
)

# Trials of a left-out group that are looked at, evenly spread: enough to choose by.
MOST_MEASURED = 400
MEAN_WEIGHTS = (1e-9, 2.0, 8.0)


class StimulusClassifier(torch.nn.Module):
    """Probabilities of stimuli, added up by class."""

    def __init__(self, stimuli: LinearClassifier, membership: Float64Array) -> None:
        super().__init__()
        self.stimuli = stimuli
        self.membership = constant(membership)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        return self.stimuli(counts) @ self.membership


def class_logits(
    log_temperature: float, logits: Float64Array, class_of: NDArray[np.int64]
) -> Float64Array:
    """Logits of classes (n, classes) from those of stimuli; classes weigh the same."""
    scaled = logits / np.exp(log_temperature)
    columns = [
        logsumexp(scaled[:, class_of == c], axis=1) - np.log(np.count_nonzero(class_of == c))
        for c in range(class_of.max() + 1)
    ]
    return np.stack(columns, axis=1)


def fit_stimulus_lda(data: TrainingData, seed: int = 0) -> StimulusClassifier:
    """LDA of the stimuli; shrinkage and temperature from classes on left-out groups."""
    n_conditions = len(data.class_of)
    pairs = data.inner_folds()
    scores, measured = [], []
    for fitted, left_out in pairs:
        maps = condition_maps(fitted, n_conditions)
        step = max(len(left_out) // MOST_MEASURED, 1)
        held = left_out.take(np.arange(0, len(left_out), step))
        measured.append(held.codes)
        x = features(held)
        scores.append([m.logits(x) for m in maps])
    candidates = [np.concatenate(parts) for parts in zip(*scores, strict=True)]
    codes = np.concatenate(measured)
    fits = [_best_temperature(logits, codes, data.class_of) for logits in candidates]
    best = int(np.argmin([loss for loss, _ in fits]))
    log_temperature = fits[best][1]
    chosen = condition_maps(data, n_conditions)[best]
    membership = np.eye(data.n_classes)[data.class_of]
    bias = chosen.bias - np.exp(log_temperature) * np.log(membership.sum(axis=0))[data.class_of]
    linear = LinearClassifier(chosen.weight, bias, np.exp(log_temperature))
    return StimulusClassifier(linear, membership)


def condition_maps(data: TrainingData, n_conditions: int) -> list[LinearMap]:
    """LDA of stimuli, their means drawn towards their class's by several weights.

    The noise in the mean of a few trials makes a stimulus look farther from
    everything than it is; a mean of n trials counts ``n / (n + weight)``.
    """
    x = features(data)
    means = class_means(x, data.conditions, n_conditions)
    number = np.bincount(data.conditions, minlength=n_conditions)[:, None]
    of_class = class_means(x, data.codes, data.n_classes)[data.class_of]
    sets = [of_class + (means - of_class) * number / (number + w) for w in MEAN_WEIGHTS]
    return lda_maps(x, data.conditions, n_conditions, mean_sets=sets)


def _best_temperature(
    logits: Float64Array, codes: NDArray[np.int64], class_of: NDArray[np.int64]
) -> tuple[float, float]:
    """Loss of the classes and the logarithm of the temperature that makes it least."""
    to_classes = partial(class_logits, logits=logits, class_of=class_of)
    found = minimize_scalar(
        lambda log_t: smoothed_loss(to_classes(log_t), codes), bounds=(-3.0, 14.0), method="bounded"
    )
    return float(found.fun), float(found.x)
