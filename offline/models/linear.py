"""Linear baselines: shrinkage LDA, Poisson naive Bayes, multinomial logistic regression.

All three end as the same module, a linear map of counts, so that each is a
bundle like any other. Classes get equal priors: how often a class stood in a
training block says nothing about the next block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from offline.models.calibration import (
    Float64Array,
    fit_temperature,
    negative_log_likelihood,
)
from offline.models.data import TrainingData

SHRINKAGES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
PRIOR_TRIALS = (0.25, 1.0, 4.0, 16.0)
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.3)
# Logit of a class without a training trial.
NEVER = -1e4


def constant(values: Float64Array) -> torch.nn.Parameter:
    """A float32 part of a module that is not trained."""
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float32), requires_grad=False)


class LinearClassifier(torch.nn.Module):
    """Softmax of a linear map of counts, at a temperature."""

    def __init__(self, weight: Float64Array, bias: Float64Array, temperature: float = 1.0) -> None:
        super().__init__()
        self.weight = constant(weight.T / temperature)
        self.bias = constant(bias / temperature)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        logits = counts.flatten(1) @ self.weight + self.bias
        return torch.softmax(logits, dim=1)


@dataclass(frozen=True, eq=False)
class LinearMap:
    """Logits ``x @ weight.T + bias``: weight (classes, features), bias (classes,)."""

    weight: Float64Array
    bias: Float64Array

    def logits(self, x: Float64Array) -> Float64Array:
        """(n, features) to (n, classes)."""
        scores: Float64Array = x @ self.weight.T + self.bias
        return scores


def flat(counts: NDArray[np.uint16]) -> Float64Array:
    """Counts as (n, bins * units) float64."""
    return counts.reshape(len(counts), -1).astype(np.float64)


def features(data: TrainingData) -> Float64Array:
    """Counts of the trials as (n, bins * units) float64."""
    return flat(data.counts)


def class_means(x: Float64Array, codes: NDArray[np.int64], n_classes: int) -> Float64Array:
    """Mean of each class, (classes, features)."""
    # A matrix product, since adding up row by row takes ten times as long.
    member = np.zeros((n_classes, len(codes)))
    member[codes, np.arange(len(codes))] = 1 / np.bincount(codes, minlength=n_classes)[codes]
    means: Float64Array = member @ x
    return means


def principal_axes(x: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Eigenvalues (k,) and eigenvectors (features, k) of ``x.T @ x``, those that are not zero.

    Found in the smaller of the spaces of trials and features: many units in
    many bins are ten thousand features for a few hundred trials.
    """
    wide = x.shape[1] > x.shape[0]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > values[-1] * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    if wide:
        vectors = x.T @ vectors / np.sqrt(values)
    return values, vectors


def lda_maps(
    x: Float64Array,
    codes: NDArray[np.int64],
    n_classes: int,
    shrinkages: tuple[float, ...] = SHRINKAGES,
    mean_sets: Sequence[Float64Array] = (),
) -> list[LinearMap]:
    """Linear discriminant analysis at several shrinkages from one eigendecomposition.

    The pooled covariance ``(1 - s) S + s tr(S) / p I``, each class weighing the
    same, is what scikit-learn's ``lsqr`` solver takes with equal priors.

    Parameters
    ----------
    x : (n, features) float64
    codes : (n,) int64
    n_classes : int
    shrinkages : tuple of float
    mean_sets : sequence of (classes, features)
        Class means to decide by; those of the trials if none is given.

    Returns
    -------
    list of LinearMap
        One for each set of means and shrinkage, shrinkages running faster.
    """
    means = class_means(x, codes, n_classes)
    number = np.bincount(codes, minlength=n_classes)
    weights = 1 / (np.count_nonzero(number) * number[codes])
    values, vectors = principal_axes((x - means[codes]) * np.sqrt(weights)[:, None])
    middle = values.sum() / x.shape[1]
    return [
        _lda_map(deciding, values, vectors, middle, shrinkage, number > 0)
        for deciding in mean_sets or (means,)
        for shrinkage in shrinkages
    ]


def _lda_map(
    means: Float64Array,
    values: Float64Array,
    vectors: Float64Array,
    middle: float,
    shrinkage: float,
    known: NDArray[np.bool_],
) -> LinearMap:
    """The map of these means under a shrunk covariance; what is off its axes has the floor."""
    turned = means @ vectors
    floor = max(shrinkage * middle, 1e-12)
    scaled = turned / ((1 - shrinkage) * values + floor)
    weight = scaled @ vectors.T + (means - turned @ vectors.T) / floor
    bias = np.where(known, -0.5 * (weight * means).sum(axis=1), NEVER)
    return LinearMap(weight, bias)


def poisson_maps(
    x: Float64Array,
    codes: NDArray[np.int64],
    n_classes: int,
    prior_trials: tuple[float, ...] = PRIOR_TRIALS,
) -> list[LinearMap]:
    """Poisson naive Bayes with rates drawn towards the mean over classes.

    A class's rate is the posterior mean under a gamma prior that weighs as much
    as ``prior_trials`` trials at the unit's overall rate.
    """
    number = np.bincount(codes, minlength=n_classes)[:, None]
    sums = class_means(x, codes, n_classes) * number
    overall = x.mean(axis=0) + 1e-3
    maps = []
    for weight in prior_trials:
        rates = (sums + weight * overall) / (number + weight)
        bias = np.where(number[:, 0] > 0, -rates.sum(axis=1), NEVER)
        maps.append(LinearMap(np.log(rates), bias))
    return maps


def logistic_maps(
    x: Float64Array,
    codes: NDArray[np.int64],
    n_classes: int,
    penalties: tuple[float, ...] = PENALTIES,
) -> list[LinearMap]:
    """Multinomial logistic regression on standardised counts, run until it converges."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    model = LogisticRegression(tol=1e-6, max_iter=2000, class_weight="balanced", warm_start=True)
    maps = []
    for penalty in penalties:
        model.set_params(C=penalty)
        model.fit((x - centre) / scale, codes)
        maps.append(_unstandardised(model, centre, scale, n_classes))
    return maps


def _unstandardised(
    model: LogisticRegression, centre: Float64Array, scale: Float64Array, n_classes: int
) -> LinearMap:
    """A fitted model on standardised features as a map of raw counts to all classes."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight = np.zeros((n_classes, len(centre)))
    bias = np.full(n_classes, NEVER)
    weight[model.classes_] = coefficients / scale
    bias[model.classes_] = intercepts - weight[model.classes_] @ centre
    return LinearMap(weight, bias)


Map = TypeVar("Map")
MapFitter = Callable[[Float64Array, NDArray[np.int64], int], list[LinearMap]]


@dataclass(frozen=True)
class Score:
    """A candidate's loss on left-out groups, at the temperature that suits them."""

    loss: float
    temperature: float


def choose(data: TrainingData, fit_maps: MapFitter, folds: int = 2) -> tuple[int, float]:
    """Which of a fitter's maps is best on left-out groups, and its temperature there.

    Parameters
    ----------
    data : TrainingData
    fit_maps : callable
        Gives candidate maps of features and codes, always in the same order.
    folds : int
        How many groups are left out in turn, the last ones in time.
    """
    return _best(score_maps(data, fit_maps, folds))


def score_maps(data: TrainingData, fit_maps: MapFitter, folds: int = 2) -> list[Score]:
    """`scored` for a fitter's maps."""

    def fit(fitted: TrainingData) -> list[LinearMap]:
        return fit_maps(features(fitted), fitted.codes, data.n_classes)

    return scored(data, fit, lambda one, counts: one.logits(flat(counts)), folds)


def choose_by(
    data: TrainingData,
    fit: Callable[[TrainingData], list[Map]],
    logits_of: Callable[[Map, NDArray[np.uint16]], Float64Array],
    folds: int = 2,
) -> tuple[int, float]:
    """`choose` for maps of anything that can be made of counts."""
    return _best(scored(data, fit, logits_of, folds))


def _best(scores: Sequence[Score]) -> tuple[int, float]:
    """The score of least loss and its temperature; the first at 1 where none was measured."""
    if not scores:
        return 0, 1.0
    best = min(range(len(scores)), key=lambda one: scores[one].loss)
    return best, scores[best].temperature


def scored(
    data: TrainingData,
    fit: Callable[[TrainingData], list[Map]],
    logits_of: Callable[[Map, NDArray[np.uint16]], Float64Array],
    folds: int = 2,
) -> list[Score]:
    """Each candidate's score on the last groups; none where no group can be left out."""
    logits, codes = left_out_logits(data, fit, logits_of, folds)
    return [score_of(scores, codes) for scores in logits]


def score_of(logits: Float64Array, codes: NDArray[np.int64]) -> Score:
    """The score of logits (n, classes) of trials that they were not fitted to."""
    temperature = fit_temperature(logits, codes)
    return Score(negative_log_likelihood(logits / temperature, codes), temperature)


def left_out_logits(
    data: TrainingData,
    fit: Callable[[TrainingData], list[Map]],
    logits_of: Callable[[Map, NDArray[np.uint16]], Float64Array],
    folds: int = 2,
) -> tuple[list[Float64Array], NDArray[np.int64]]:
    """Logits (n, classes) of each candidate on the last groups, one left out at a time; codes (n,).

    No candidate is there where no group can be left out.
    """
    pairs = data.inner_folds()[-folds:]
    if not pairs:
        return [], data.codes[:0]
    candidates = [[logits_of(one, held.counts) for one in fit(fitted)] for fitted, held in pairs]
    logits = [np.concatenate(parts) for parts in zip(*candidates, strict=True)]
    return logits, np.concatenate([held.codes for _, held in pairs])


def fit_linear(data: TrainingData, fit_maps: MapFitter) -> LinearClassifier:
    """Choose among a fitter's maps on left-out groups, then fit to all training trials."""
    best, temperature = choose(data, fit_maps)
    chosen = fit_maps(features(data), data.codes, data.n_classes)[best]
    return LinearClassifier(chosen.weight, chosen.bias, temperature)


def fit_lda(data: TrainingData, seed: int = 0) -> LinearClassifier:
    """Linear discriminant analysis; shrinkage and temperature from left-out groups."""
    return fit_linear(data, lda_maps)


def fit_poisson(data: TrainingData, seed: int = 0) -> LinearClassifier:
    """Poisson naive Bayes; prior and temperature from left-out groups."""
    return fit_linear(data, poisson_maps)


def fit_logistic(data: TrainingData, seed: int = 0) -> LinearClassifier:
    """Multinomial logistic regression; penalty and temperature from left-out groups."""
    return fit_linear(data, logistic_maps)
