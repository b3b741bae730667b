"""Types of stimuli by way of the stimuli themselves, and of no response at all.

A decoder that is told two types alone learns what differs between the blocks
they stand in. One that is told the stimuli (118 images, 30 gratings) must
learn responses; the likelihoods of a type's stimuli then add up.

An animal that does not attend responds to nothing for a second or two, and its
windows then look like grey. Grey is therefore one stimulus more, which belongs
to every type alike: a window that shows no response tells nothing, instead of
telling the type whose responses happen to be the smaller.

Units change their rates over tens of minutes, each by a share of its rate. The
few blocks that train have seen little of that; a variance for it is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from offline.geometry import fit_prior
from offline.models.calibration import Float64Array, fit_temperature, smoothed_loss
from offline.models.data import TrainingData
from offline.models.grey_lda import ANSCOMBE, roots
from offline.models.linear import NEVER, LinearMap, class_means, constant

# Trials of a left-out group that are looked at, evenly spread: enough to choose by.
MOST_MEASURED = 400
SHRINKAGES = (0.05, 0.15, 0.4)
# Variance of a unit's slow change of rate, as a share of its rate squared.
DRIFTS = (0.0, 0.3, 1.0)
NO_RESPONSES = (0.0, 0.1, 0.4)
SMALLEST = 1e-30


class StimulusClassifier(torch.nn.Module):
    """Likelihoods of stimuli, added up by class; a share of windows has no response.

    Parameters
    ----------
    stimuli : LinearMap
        Of the square roots of whole-window counts; the last row is no response.
    membership : (stimuli, classes)
        Columns sum to 1.
    no_response : float
        Share of windows without one.
    temperature : float
    """

    def __init__(
        self, stimuli: LinearMap, membership: Float64Array, no_response: float, temperature: float
    ) -> None:
        super().__init__()
        self.weight = constant(stimuli.weight.T)
        self.bias = constant(stimuli.bias)
        spread = np.full((1, membership.shape[1]), no_response)
        self.membership = constant(np.concatenate([membership * (1 - no_response), spread]))
        self.temperature = temperature
        self.offset = ANSCOMBE
        self.smallest = SMALLEST

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        logits = torch.sqrt(counts.sum(dim=1) + self.offset) @ self.weight + self.bias
        likelihoods = torch.softmax(logits, dim=1) @ self.membership
        evidence = torch.log(likelihoods + self.smallest)
        return torch.softmax(evidence / self.temperature, dim=1)


@dataclass(frozen=True)
class Choice:
    """What is chosen on left-out groups."""

    shrinkage: float
    drift: float
    no_response: float
    temperature: float
    loss: float


def memberships(class_of: NDArray[np.int64], n_classes: int) -> Float64Array:
    """(stimuli, classes): which class a stimulus is of; columns sum to 1."""
    found = np.eye(n_classes)[class_of]
    return found / found.sum(axis=0)


def stimulus_maps(data: TrainingData) -> dict[tuple[float, float], LinearMap]:
    """LDA of stimuli and grey for every shrinkage and drift."""
    n = len(data.class_of)
    x = roots(data.counts)
    means = class_means(x, data.conditions, n)
    number = np.bincount(data.conditions, minlength=n)
    residual = x - means[data.conditions]
    within = residual.T @ residual / max(len(x) - np.count_nonzero(number), 1)
    scale, middle = np.sqrt(np.diag(within)) + 1e-6, x.mean(axis=0)
    seen = number > 0
    prior = fit_prior((means[seen] - middle) / scale, number[seen], None)
    means[seen] = prior.means * scale + middle
    grey = roots(data.grey).mean(axis=0) if len(data.grey) else middle
    rows = np.concatenate([means, grey[None]]) - middle
    # The root of a count has a quarter of the count's variance over its mean.
    of_drift = data.counts.sum(axis=1).mean(axis=0) / 4
    maps = {}
    for shrinkage, drift in product(SHRINKAGES, DRIFTS):
        floor = shrinkage * np.diag(within).mean()
        noise = (1 - shrinkage) * within + np.diag(floor + drift * of_drift)
        weight = np.linalg.solve(noise, rows.T).T
        bias = -0.5 * (weight * rows).sum(axis=1) - weight @ middle
        maps[shrinkage, drift] = LinearMap(weight, np.where([*seen, True], bias, NEVER))
    return maps


def evidence(logits: Float64Array, membership: Float64Array, no_response: float) -> Float64Array:
    """Log likelihood of each class but for a common term, (n, classes)."""
    of_stimuli = logits[:, :-1, None] + np.log(membership * (1 - no_response) + SMALLEST)
    response = logsumexp(of_stimuli, axis=1)
    return np.logaddexp(response, logits[:, -1:] + np.log(no_response + SMALLEST))


def _left_out(
    data: TrainingData,
) -> Iterator[tuple[NDArray[np.int64], dict[tuple[float, float], Float64Array]]]:
    """For each group left out: codes of its trials, and their logits by every map."""
    for fitted, left_out in data.inner_folds():
        held = left_out.take(np.arange(0, len(left_out), max(len(left_out) // MOST_MEASURED, 1)))
        x = roots(held.counts)
        yield held.codes, {key: one.logits(x) for key, one in stimulus_maps(fitted).items()}


def choose_stimulus(data: TrainingData, membership: Float64Array) -> Choice:
    """What is best on left-out groups."""
    groups = list(_left_out(data))
    codes = np.concatenate([found for found, _ in groups])
    tried = []
    for shrinkage, drift in product(SHRINKAGES, DRIFTS):
        logits = np.concatenate([found[shrinkage, drift] for _, found in groups])
        for share in NO_RESPONSES if len(data.grey) else NO_RESPONSES[:1]:
            scores = evidence(logits, membership, share)
            temperature = fit_temperature(scores, codes)
            loss = smoothed_loss(scores / temperature, codes)
            tried.append(Choice(shrinkage, drift, share, temperature, loss))
    return min(tried, key=lambda choice: choice.loss)


def fit_stimulus_lda(data: TrainingData, seed: int = 0) -> StimulusClassifier:
    """LDA of the stimuli; all that is chosen is chosen by classes on left-out groups."""
    membership = memberships(data.class_of, data.n_classes)
    choice = choose_stimulus(data, membership)
    stimuli = stimulus_maps(data)[choice.shrinkage, choice.drift]
    return StimulusClassifier(stimuli, membership, choice.no_response, choice.temperature)
