"""Deciding early: a posterior after every bin from one bundle, and when it is enough.

Evidence adds up over the window; a sequential test that stops when one
hypothesis is likely enough decides soonest on average (Wald 1945).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from offline.models.data import TrainingData
from offline.models.linear import choose, constant, features, lda_maps
from rtdecode.microseconds import US_PER_MS
from rtdecode.windows import WindowSpec

THRESHOLDS = tuple(np.round(np.arange(0.3, 1.0, 0.02), 2).tolist())
# Half of the point of accuracy that an early decision may cost: the rest is for
# the difference between training trials and those to come.
MOST_LOST = 0.005
THRESHOLD_FOLDS = 3


class EarlyClassifier(torch.nn.Module):
    """A linear decoder of the counts so far, one for each number of bins.

    Parameters
    ----------
    weight : (steps, units, classes) float64
    bias : (steps, classes) float64
        Both divided by the temperature of their step.
    decide_at : float
        Probability at which to decide.
    """

    def __init__(
        self, weight: NDArray[np.float64], bias: NDArray[np.float64], decide_at: float
    ) -> None:
        super().__init__()
        self.weight = constant(weight)
        self.bias = constant(bias)
        self.n_steps = len(weight)
        self.decide_at = decide_at

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) of the whole window."""
        return self.upto(counts, self.n_steps)

    @torch.jit.export
    def upto(self, counts: torch.Tensor, n_bins: int) -> torch.Tensor:
        """Probabilities (n, classes) from the first ``n_bins`` bins alone."""
        so_far = counts[:, :n_bins].sum(dim=1)
        return torch.softmax(so_far @ self.weight[n_bins - 1] + self.bias[n_bins - 1], dim=1)


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a stopping rule gave.

    Attributes
    ----------
    steps : (n,) int64
        After how many bins each trial was decided.
    top : (n,) int64
        Class decided for.
    """

    steps: NDArray[np.int64]
    top: NDArray[np.int64]


def probabilities_by_step(
    module: EarlyClassifier, counts: NDArray[np.uint16]
) -> NDArray[np.float32]:
    """Posterior after every bin, (steps, n, classes) float32."""
    with torch.inference_mode():
        there = torch.from_numpy(counts.astype(np.float32))
        found = [module.upto(there, n).numpy() for n in range(1, module.n_steps + 1)]
    return np.stack(found)


def decide(probabilities: NDArray[np.float32], decide_at: float) -> Decisions:
    """Stop at the first step whose top probability is enough, or at the last.

    Parameters
    ----------
    probabilities : (steps, n, classes) float32
    decide_at : float
    """
    sure = probabilities.max(axis=2) >= decide_at
    sure[-1] = True
    step = sure.argmax(axis=0)
    top = probabilities[step, np.arange(probabilities.shape[1])].argmax(axis=1)
    return Decisions(step + 1, top)


def early_figures(
    module: EarlyClassifier,
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    window: WindowSpec,
) -> dict[str, float]:
    """What deciding early gives on these trials, and when after onset, by name."""
    found = decide(probabilities_by_step(module, counts), module.decide_at)
    mean_us = window.offset_us + window.bin_us * found.steps.mean()
    return {
        "accuracy_early": float((found.top == codes).mean()),
        "mean_decision_ms": float(mean_us / US_PER_MS),
    }


def fit_early_lda(data: TrainingData, seed: int = 0) -> EarlyClassifier:
    """LDA of the counts so far for every number of bins, each with its own temperature.

    The probability to decide at is the smallest that costs next to no accuracy
    on the last groups, each left out of the models that decide on it.
    """
    found, codes = [], []
    for fitted, held in data.inner_folds()[-THRESHOLD_FOLDS:]:
        found.append(probabilities_by_step(_fit_steps(fitted, 1.0), held.counts))
        codes.append(held.codes)
    decide_at = choose_threshold(np.concatenate(found, axis=1), np.concatenate(codes))
    return _fit_steps(data, decide_at)


def choose_threshold(probabilities: NDArray[np.float32], codes: NDArray[np.int64]) -> float:
    """Smallest threshold whose decisions are nearly as often right as the last step's."""
    whole = (probabilities[-1].argmax(axis=1) == codes).mean()
    chosen = 1.0
    # From above, since a low one may pass by chance.
    for threshold in reversed(THRESHOLDS):
        if (decide(probabilities, threshold).top == codes).mean() < whole - MOST_LOST:
            break
        chosen = threshold
    return chosen


def _fit_steps(data: TrainingData, decide_at: float) -> EarlyClassifier:
    """An LDA for every number of bins."""
    weights, biases = [], []
    sums = np.cumsum(data.counts.astype(np.uint32), axis=1).astype(np.uint16)
    for step in range(data.counts.shape[1]):
        part = TrainingData(sums[:, step : step + 1], data.codes, data.n_classes, data.groups)
        best, temperature = choose(part, lda_maps)
        chosen = lda_maps(features(part), part.codes, part.n_classes)[best]
        weights.append(chosen.weight.T / temperature)
        biases.append(chosen.bias / temperature)
    return EarlyClassifier(np.stack(weights), np.stack(biases), decide_at)
