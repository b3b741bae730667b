"""Deciding early: a posterior after every bin from one bundle, and when it is enough.

Evidence adds up over the window; a sequential test that stops when one
hypothesis is likely enough decides soonest on average (Wald 1945).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from offline.models.calibration import Float64Array, Sharpness, fit_sharpness, sharpened
from offline.models.data import TrainingData
from offline.models.grey_lda import ANSCOMBE, grey_maps, root_logits
from offline.models.linear import LinearMap, constant, left_out_logits, score_of
from rtdecode.microseconds import US_PER_MS
from rtdecode.windows import WindowSpec

THRESHOLDS = tuple(np.round(np.arange(0.3, 1.0, 0.02), 2).tolist())
# Of the point of accuracy that an early decision may cost: the rest is for the
# difference between training trials and those to come.
MOST_LOST = 0.0075
THRESHOLD_FOLDS = 3


class EarlyClassifier(torch.nn.Module):
    """A linear decoder of the square roots of the counts so far, one for each number of bins.

    Parameters
    ----------
    weight : (steps, units, classes) float64
    bias : (steps, classes) float64
        Both divided by the temperature of their step.
    power : (steps,) float64
        How much more the evidence of a trial counts where there is much of it.
    decide_at : float
        Probability at which to decide.
    """

    def __init__(
        self, weight: Float64Array, bias: Float64Array, power: Float64Array, decide_at: float
    ) -> None:
        super().__init__()
        self.weight = constant(weight)
        self.bias = constant(bias)
        self.power = constant(power)
        self.offset = ANSCOMBE
        self.n_steps = len(weight)
        self.decide_at = decide_at

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) of the whole window."""
        return self.upto(counts, self.n_steps)

    @torch.jit.export
    def upto(self, counts: torch.Tensor, n_bins: int) -> torch.Tensor:
        """Probabilities (n, classes) from the first ``n_bins`` bins alone."""
        so_far = torch.sqrt(counts[:, :n_bins].sum(dim=1) + self.offset)
        logits = so_far @ self.weight[n_bins - 1] + self.bias[n_bins - 1]
        return torch.softmax(sharpened(logits, self.power[n_bins - 1]), dim=1)


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


@dataclass(frozen=True, eq=False)
class Step:
    """The decoder of one number of bins.

    Attributes
    ----------
    map : LinearMap
        Fitted to all training trials.
    sharpness : Sharpness
    left_out : (n, classes) float32
        Probabilities of the last groups, each left out of the decoder that gave them.
    codes : (n,) int64
        Of those trials.
    """

    map: LinearMap
    sharpness: Sharpness
    left_out: NDArray[np.float32]
    codes: NDArray[np.int64]


def fit_early_lda(data: TrainingData, seed: int = 0) -> EarlyClassifier:
    """LDA of the roots of the counts so far, and of grey, for every number of bins.

    Each step has its own share of grey, shrinkage and calibration. The
    probability to decide at is the smallest that costs next to no accuracy on
    groups that are left out.
    """
    steps = [_fit_step(so_far(data, bins)) for bins in range(1, data.counts.shape[1] + 1)]
    decide_at = choose_threshold(np.stack([step.left_out for step in steps]), steps[-1].codes)
    return EarlyClassifier(
        np.stack([step.map.weight.T / step.sharpness.temperature for step in steps]),
        np.stack([step.map.bias / step.sharpness.temperature for step in steps]),
        np.array([step.sharpness.power for step in steps]),
        decide_at,
    )


def so_far(data: TrainingData, bins: int) -> TrainingData:
    """Trials and grey with the first bins added up, (n, 1, units)."""
    counts, grey = (
        part[:, :bins].sum(axis=1, keepdims=True).astype(np.uint16)
        for part in (data.counts, data.grey)
    )
    return replace(data, counts=counts, grey=grey)


def _fit_step(data: TrainingData) -> Step:
    """The map that is best on left-out groups, calibrated on them."""
    logits, codes = left_out_logits(data, grey_maps, root_logits, THRESHOLD_FOLDS)
    scores = [score_of(one, codes) for one in logits]
    best = min(range(len(scores)), key=lambda one: scores[one].loss)
    sharpness = fit_sharpness(logits[best], codes)
    left_out = sharpness.probabilities(logits[best]).astype(np.float32)
    return Step(grey_maps(data)[best], sharpness, left_out, codes)


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
