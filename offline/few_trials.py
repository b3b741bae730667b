"""A decoder from a few trials a class, under whatever is known of class means beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.class_prior import Prior
from offline.models.calibration import Float64Array, fit_temperature
from offline.models.linear import LinearClassifier, LinearMap, class_means
from offline.whitening import has_grey, shrunk_covariance, whitening, whole

SYNTHETIC_TRIALS = 2000
MOST_FOLDS = 5
# Of averages (classes, features) of so many trials (classes,); whether their noise is white.
PriorOf = Callable[[Float64Array, NDArray[np.int64], bool], Prior]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A linear map of whole-window counts, and what it was made of.

    Attributes
    ----------
    map : LinearMap
        Without a temperature.
    white : LinearMap
        The same of whitened counts.
    prior : Prior
    covariance : (units, units)
        Of whitened counts about class means.
    """

    map: LinearMap
    white: LinearMap
    prior: Prior
    covariance: Float64Array

    def drawn_temperature(self, seed: int) -> float:
        """Temperature that suits trials drawn from the posterior itself."""
        prior = self.prior
        generator = np.random.default_rng(seed)
        codes = np.arange(SYNTHETIC_TRIALS) % len(prior.means)
        root = np.linalg.cholesky(self.covariance)
        error = np.sqrt(prior.variance) * generator.standard_normal(prior.means.shape)
        noise = generator.standard_normal((len(codes), len(root))) @ root.T
        trials = (prior.means + error)[codes] + noise
        return fit_temperature(self.white.logits(trials), codes)


def fit_few(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    prior_of: PriorOf,
    *,
    seed: int = 0,
    grey: NDArray[np.uint16] | None = None,
) -> tuple[LinearClassifier, Prior]:
    """A linear decoder of class means under a prior, and the prior's posterior.

    Its temperature is of trials that are left out in turn; where a class has only
    one, of trials drawn from the posterior itself.

    Parameters
    ----------
    counts : (n, bins, units) uint16
    codes : (n,) int64
    n_classes : int
    prior_of : callable
    seed : int
    grey : (m, bins, units) uint16 or None
        Windows without a stimulus.
    """

    def fit(rows: NDArray[np.int64]) -> Fitted:
        return fit_map(counts[rows], codes[rows], n_classes, prior_of, grey)

    found = fit(np.arange(len(codes)))
    folds = min(int(np.bincount(codes, minlength=n_classes).min()), MOST_FOLDS)
    if folds > 1:
        temperature = _left_out_temperature(fit, counts, codes, folds)
    else:
        temperature = found.drawn_temperature(seed)
    flat = np.tile(found.map.weight, (1, counts.shape[1]))
    return LinearClassifier(flat, found.map.bias, temperature), found.prior


def fit_map(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    prior_of: PriorOf,
    grey: NDArray[np.uint16] | None,
    overdispersion: float = 0.0,
) -> Fitted:
    """Class means under a prior, and a Ledoit-Wolf covariance about them.

    Parameters
    ----------
    counts, codes, n_classes, prior_of, grey
        As in `fit_few`.
    overdispersion : float
        As in `whitening`.
    """
    scaling = whitening(counts, codes, n_classes, grey, overdispersion)
    z = scaling.apply(whole(counts))
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    is_white = has_grey(grey, z.shape[1])
    prior = prior_of(class_means(z, codes, n_classes), number, is_white)
    # Grey has told the covariance; a few trials would only blur it.
    covariance = np.eye(z.shape[1]) if is_white else shrunk_covariance(z - prior.means[codes])
    weight = np.linalg.solve(covariance, prior.means.T).T
    bias = -0.5 * (weight * prior.means).sum(axis=1)
    raw = weight @ scaling.matrix.T
    found = LinearMap(raw, bias - raw @ scaling.centre)
    return Fitted(found, LinearMap(weight, bias), prior, covariance)


def _left_out_temperature(
    fit: Callable[[NDArray[np.int64]], Fitted],
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    folds: int,
) -> float:
    """Temperature that suits each class's trials left out in turn."""
    place = np.zeros(len(codes), np.int64)
    for code in np.unique(codes):
        mine = codes == code
        place[mine] = np.arange(mine.sum())
    turns = [np.flatnonzero(place % folds == turn) for turn in range(folds)]
    everything = np.arange(len(codes))
    logits = [fit(np.setdiff1d(everything, rows)).map.logits(whole(counts[rows])) for rows in turns]
    return fit_temperature(np.concatenate(logits), codes[np.concatenate(turns)])
