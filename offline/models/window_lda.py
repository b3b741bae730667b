"""LDA whose window, too, is chosen on training trials: the baseline to beat.

Where a response begins and ends differs from area to area and animal to
animal. Every run of bins that is long enough is a candidate beside every
shrinkage; the best on left-out groups is fitted to all training trials.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from offline.models.calibration import Float64Array
from offline.models.data import TrainingData
from offline.models.linear import (
    SHRINKAGES,
    LinearClassifier,
    Score,
    features,
    fit_lda,
    lda_maps,
    score_maps,
)

LEAST_SHARE = 0.25  # of the bins: a shorter run is no candidate


@dataclass(frozen=True)
class Candidate:
    """A run of bins and one of the shrinkages, as it did on left-out groups."""

    first: int
    stop: int
    shrinkage: float
    score: Score


def summed(data: TrainingData, first: int, stop: int) -> TrainingData:
    """The trials with a run of bins added up, (n, 1, units)."""
    counts = data.counts[:, first:stop].sum(axis=1, keepdims=True).astype(np.uint16)
    return replace(data, counts=counts)


def runs(bins: int) -> list[tuple[int, int]]:
    """Runs of bins that may be the window: first and stop of each."""
    least = max(1, round(LEAST_SHARE * bins))
    return [(a, b) for a in range(bins) for b in range(a + least, bins + 1)]


def of_all_bins(weight: Float64Array, first: int, stop: int, bins: int) -> Float64Array:
    """A map of the sum over a run of bins as one of all bins, (classes, bins * units)."""
    classes, units = weight.shape
    found = np.zeros((classes, bins, units))
    found[:, first:stop] = weight[:, None]
    return found.reshape(classes, -1)


def _candidates(data: TrainingData, first: int, stop: int) -> list[Candidate]:
    """One run of bins at every shrinkage."""
    scores = score_maps(summed(data, first, stop), lda_maps)
    pairs = zip(SHRINKAGES, scores, strict=False)
    return [Candidate(first, stop, shrinkage, score) for shrinkage, score in pairs]


def fit_window_lda(data: TrainingData, seed: int = 0) -> LinearClassifier:
    """LDA; run of bins, shrinkage and temperature from left-out groups."""
    bins = data.counts.shape[1]
    tried = [one for run in runs(bins) for one in _candidates(data, *run)]
    if not tried:
        return fit_lda(data, seed)
    best = min(tried, key=lambda one: one.score.loss)
    part = summed(data, best.first, best.stop)
    (chosen,) = lda_maps(features(part), part.codes, part.n_classes, (best.shrinkage,))
    weight = of_all_bins(chosen.weight, best.first, best.stop, bins)
    return LinearClassifier(weight, chosen.bias, best.score.temperature)
