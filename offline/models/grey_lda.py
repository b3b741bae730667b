"""LDA that also knows how units vary together while the screen is grey.

The covariance about the class means is learnt from a few thousand trials for
hundreds of units. Minutes of grey give thousands of windows more, from other
states of the animal and other hours; how much they count is chosen on
left-out groups. Square roots make the variance of a count the same at every
rate (Anscombe 1948), which lets one covariance do for all classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from offline.models.calibration import Float64Array
from offline.models.data import TrainingData
from offline.models.linear import NEVER, LinearMap, choose_by, class_means, constant

GREY_SHARES = (0.0, 0.2, 0.4, 0.7)
SHRINKAGES = (0.03, 0.1, 0.2, 0.35, 0.6)
ANSCOMBE = 0.375


def roots(counts: NDArray[np.uint16]) -> Float64Array:
    """Square roots of whole-window counts, (n, units) float64."""
    found: Float64Array = np.sqrt(counts.sum(axis=1).astype(np.float64) + ANSCOMBE)
    return found


class RootClassifier(torch.nn.Module):
    """Softmax of a linear map of the square roots of whole-window counts, at a temperature."""

    def __init__(self, weight: Float64Array, bias: Float64Array, temperature: float = 1.0) -> None:
        super().__init__()
        self.weight = constant(weight.T / temperature)
        self.bias = constant(bias / temperature)
        self.offset = ANSCOMBE

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        x = torch.sqrt(counts.sum(dim=1) + self.offset)
        return torch.softmax(x @ self.weight + self.bias, dim=1)


def covariance(x: Float64Array) -> Float64Array:
    """Of rows about their mean, (features, features)."""
    centred = x - x.mean(axis=0)
    found: Float64Array = centred.T @ centred / max(len(x), 1)
    return found


def grey_maps(data: TrainingData) -> list[LinearMap]:
    """LDA of roots at several shares of grey and shrinkages, shrinkages running faster."""
    x = roots(data.counts)
    number = np.bincount(data.codes, minlength=data.n_classes)
    means = class_means(x, data.codes, data.n_classes)
    residual = (x - means[data.codes]) / np.sqrt(
        np.count_nonzero(number) * number[data.codes][:, None]
    )
    within = residual.T @ residual
    shares = GREY_SHARES if len(data.grey) > x.shape[1] else (0.0,)
    grey = covariance(roots(data.grey)) if len(shares) > 1 else within
    middle = x.mean(axis=0)
    maps = []
    for share in shares:
        mixed = (1 - share) * within + share * grey
        values, vectors = np.linalg.eigh(mixed)
        for shrinkage in SHRINKAGES:
            shrunk = (1 - shrinkage) * values + shrinkage * max(values.mean(), 1e-9)
            weight = ((means - middle) @ vectors / shrunk) @ vectors.T
            bias = -0.5 * (weight * (means - middle)).sum(axis=1) - weight @ middle
            maps.append(LinearMap(weight, np.where(number > 0, bias, NEVER)))
    return maps


def root_logits(one: LinearMap, counts: NDArray[np.uint16]) -> Float64Array:
    """Logits of whole-window counts, (n, classes)."""
    return one.logits(roots(counts))


def fit_grey_map(data: TrainingData) -> tuple[LinearMap, float]:
    """The map of the share and shrinkage that are best on left-out groups; its temperature."""
    fit: Callable[[TrainingData], list[LinearMap]] = grey_maps
    best, temperature = choose_by(data, fit, root_logits)
    return grey_maps(data)[best], temperature


def fit_grey_lda(data: TrainingData, seed: int = 0) -> RootClassifier:
    """LDA of roots; share of grey, shrinkage and temperature from left-out groups."""
    chosen, temperature = fit_grey_map(data)
    return RootClassifier(chosen.weight, chosen.bias, temperature)
