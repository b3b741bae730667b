"""What animals share: which stimuli look alike to them.

Units differ from animal to animal, but the similarity of responses to pairs
of stimuli, the representational geometry, is partly shared (Kriegeskorte and
Kievit 2013). Here it is a prior over class means: a stimulus shown to a new
animal a few times also tells about the stimuli that other animals find like
it. For each unit the class means are a Gaussian process over stimuli whose
covariance is a mixture of the donors' geometry and of independence; the
mixture is that of highest marginal likelihood (Rasmussen and Williams 2006,
chapter 5), so that a geometry which does not fit is not used.

Most units of a probe tell little of a stimulus and some tell much. How much is
each unit's own size of the process, drawn from a distribution that all units of
the animal share and that is found from them (relevance, MacKay 1994; empirical
Bayes on a grid, Efron 2014). A unit that does not follow what animals share is
then taken for noise from the first trials on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf_shrinkage

from offline.models.calibration import Float64Array, fit_temperature
from offline.models.linear import LinearClassifier, class_means

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
# Of the process in units of a trial's noise; the smallest is as good as nothing.
SIZES = np.geomspace(0.0003, 10.0, 24)
SIZE_ROUNDS, LEAST_SHARE_OF_SIZE = 12, 1e-4
LEAST_FREEDOM = 60
SYNTHETIC_TRIALS = 2000
NOISES = (0.6, 0.8, 1.0, 1.3, 1.7)
FREEDOM_OF_POISSON = 20.0
LEAST_NOISE = 0.05


@dataclass(frozen=True, eq=False)
class Whitening:
    """Features in units of their noise: centre (features,), matrix (features, features)."""

    centre: Float64Array
    matrix: Float64Array

    def apply(self, x: Float64Array) -> Float64Array:
        """Whitened features, (n, features)."""
        found: Float64Array = (x - self.centre) @ self.matrix
        return found


@dataclass(frozen=True, eq=False)
class Prior:
    """Class means under the prior that fits best.

    Attributes
    ----------
    means : (classes, features)
        Posterior mean.
    variance : (classes, features)
        Posterior variance.
    share : float
        How much of the prior is the donors' geometry.
    """

    means: Float64Array
    variance: Float64Array
    share: float


def whole(counts: NDArray[np.uint16]) -> Float64Array:
    """Counts of whole windows, (n, units) float64."""
    return counts.sum(axis=1).astype(np.float64)


def whitening(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    grey: NDArray[np.uint16] | None = None,
) -> Whitening:
    """What makes the noise of counts alike in all units.

    With enough grey it is the noise's covariance, from grey and from what is
    left of the trials without their class means, every window counting the
    same. Without, each unit has its own scale.
    """
    x = whole(counts)
    number = np.bincount(codes, minlength=n_classes)
    residual = x - class_means(x, codes, n_classes)[codes]
    freedom = max(len(x) - np.count_nonzero(number), 1)
    centre = x.mean(axis=0)
    if grey is None or len(grey) <= x.shape[1]:
        return Whitening(centre, np.diag(1 / _noise_scale(x, residual, freedom, number)))
    still = whole(grey)
    # The mean of few trials is close to each: residuals are too small by their freedom.
    free = residual * np.sqrt(len(x) / freedom) if number.max() > 1 else residual[:0]
    scale = still.std(axis=0) + LEAST_NOISE
    noise = np.concatenate([still - still.mean(axis=0), free]) / scale
    values, vectors = np.linalg.eigh(_shrunk(noise))
    return Whitening(centre, (vectors / np.sqrt(values)) @ vectors.T / scale[:, None])


def _noise_scale(
    x: Float64Array, residual: Float64Array, freedom: int, number: NDArray[np.int64]
) -> Float64Array:
    """Noise of each unit's count, (units,); with few trials it leans on Poisson's."""
    poisson = x.mean(axis=0) + LEAST_NOISE
    measured = (residual**2).sum(axis=0) / freedom
    weight = freedom / (freedom + FREEDOM_OF_POISSON) if number.max() > 1 else 0.0
    scale: Float64Array = np.sqrt(weight * measured + (1 - weight) * poisson)
    return scale


def _shrunk(residual: Float64Array) -> Float64Array:
    """Covariance after Ledoit and Wolf (2004) of rows without a mean; never singular."""
    shrinkage = float(ledoit_wolf_shrinkage(residual, assume_centered=True))
    spread = residual.T @ residual / max(len(residual), 1)
    middle = max(float(np.trace(spread)) / len(spread), 1e-6)
    found: Float64Array = (1 - shrinkage) * spread + max(shrinkage, 1e-3) * middle * np.eye(
        len(spread)
    )
    return found


def class_geometry(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    grey: NDArray[np.uint16] | None = None,
) -> Float64Array:
    """Covariance of the classes over an animal's units, noise taken off, (classes, classes).

    The mean of its diagonal is 1.
    """
    z = whitening(counts, codes, n_classes, grey).apply(whole(counts))
    means = class_means(z, codes, n_classes)
    noise = float(((z - means[codes]) ** 2).mean()) * len(z) / max(len(z) - n_classes, 1)
    means -= means.mean(axis=0)
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    gram = means @ means.T / z.shape[1] - noise * np.diag(1 / number)
    values, vectors = np.linalg.eigh(gram)
    gram = (vectors * np.maximum(values, 0)) @ vectors.T
    scaled: Float64Array = gram / max(float(np.trace(gram)) / n_classes, 1e-12)
    return scaled


def fit_prior(
    means: Float64Array,
    number: NDArray[np.int64],
    geometry: Float64Array | None,
    noises: tuple[float, ...] = (1.0,),
) -> Prior:
    """Posterior of class means given their averages over trials, in units of noise.

    Parameters
    ----------
    means : (classes, features)
        Averages over trials, centred.
    number : (classes,) int64
        Trials of each class; their harmonic mean stands for all.
    geometry : (classes, classes) or None
        Of the donors; independence alone if None.
    noises : tuple of float
        Variances of a trial's noise to choose from.
    """
    of_mean = float(np.mean(1 / number))
    # Noise that is only guessed would pass for relevance.
    alike = number.sum() - len(number) < LEAST_FREEDOM
    shares = SHARES if geometry is not None else (0.0,)
    candidates = [
        _sized(means, _mixed(geometry, share, len(means)), noise * of_mean, share, alike)
        for share, noise in product(shares, noises)
    ]
    return max(candidates, key=lambda sized: sized.likelihood).posterior(means)


def _mixed(geometry: Float64Array | None, share: float, classes: int) -> Float64Array:
    """Covariance over classes: so much of a geometry, the rest independence."""
    identity = np.eye(classes)
    return identity if geometry is None else share * geometry + (1 - share) * identity


@dataclass(frozen=True, eq=False)
class Sized:
    """A covariance over classes, and how large each feature's process is likely to be.

    Attributes
    ----------
    values, vectors : (classes,), (classes, classes)
        The covariance's eigenvalues and eigenvectors.
    noise : float
        Variance of an average over trials.
    share : float
    weights : (features, sizes)
        Probability of each of `SIZES`.
    likelihood : float
        Log marginal likelihood of all averages.
    """

    values: Float64Array
    vectors: Float64Array
    noise: float
    share: float
    weights: Float64Array
    likelihood: float

    def posterior(self, means: Float64Array) -> Prior:
        """Class means of each feature: mean and variance over its sizes."""
        signal = np.outer(SIZES, self.values)
        gains = signal / (signal + self.noise)
        gain = self.weights @ gains
        turned = self.vectors.T @ means
        found = self.vectors @ (gain.T * turned)
        variance = self.vectors**2 @ (self.noise * gain).T
        return Prior(found, variance, self.share)


def _sized(
    means: Float64Array, covariance: Float64Array, noise: float, share: float, alike: bool
) -> Sized:
    """How large features' processes are under a covariance; all the same if ``alike``."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0)
    total = np.outer(SIZES, values) + noise
    energy = (vectors.T @ means).T ** 2
    logs = -0.5 * (energy @ (1 / total).T + np.log(total).sum(axis=1))
    if alike:
        likelihood = float(logsumexp(logs.sum(axis=0)))
        weights = np.broadcast_to(np.exp(logs.sum(axis=0) - likelihood), logs.shape)
    else:
        weights, likelihood = _relevances(logs)
    return Sized(values, vectors, noise, share, weights, likelihood)


def _relevances(logs: Float64Array) -> tuple[Float64Array, float]:
    """Each feature's sizes under a distribution that all share, by expectation-maximisation.

    Parameters
    ----------
    logs : (features, sizes)
        Log likelihood of each size.

    Returns
    -------
    weights : (features, sizes)
    likelihood : float
        Log marginal likelihood of all features.
    """
    common = np.full(logs.shape[1], 1 / logs.shape[1])
    for _ in range(SIZE_ROUNDS):
        joint = logs + np.log(common)
        likelihoods = logsumexp(joint, axis=1, keepdims=True)
        weights = np.exp(joint - likelihoods)
        common = np.maximum(weights.mean(axis=0), LEAST_SHARE_OF_SIZE)
        common /= common.sum()
    return weights, float(likelihoods.sum())


def low_rank_prior(means: Float64Array, number: NDArray[np.int64]) -> Prior:
    """Class means with the singular values that noise alone would give taken down.

    The shrinkage of least squared error for a matrix of low rank in white
    noise (Gavish and Donoho 2017).
    """
    noise = float(np.sqrt(np.mean(1 / number) * means.shape[1]))
    left, values, right = np.linalg.svd(means, full_matrices=False)
    beta = len(means) / means.shape[1]
    y = np.maximum(values / noise, 1e-12)
    inside = np.maximum((y**2 - beta - 1) ** 2 - 4 * beta, 0)
    kept = np.where(y > 1 + np.sqrt(beta), np.sqrt(inside) / y, 0.0) * noise
    variance = np.full(means.shape, noise**2 / means.shape[1])
    return Prior((left * kept) @ right, variance, 0.0)


def fit_with_geometry(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    geometry: Float64Array | None,
    seed: int = 0,
    *,
    grey: NDArray[np.uint16] | None = None,
    low_rank: bool = False,
) -> tuple[LinearClassifier, float]:
    """A decoder from a few trials a class; also the share that geometry got.

    Class means as above, a Ledoit-Wolf covariance, and the temperature that
    suits trials drawn from the posterior itself: with few trials, none can be
    spared to measure it.

    Parameters
    ----------
    counts : (n, bins, units) uint16
    codes : (n,) int64
    n_classes : int
    geometry : (classes, classes) or None
        Of the donors.
    seed : int
    grey : (m, bins, units) uint16 or None
        Windows without a stimulus.
    low_rank : bool
        Class means of low rank instead of the prior.
    """
    scaling = whitening(counts, codes, n_classes, grey)
    z = scaling.apply(whole(counts))
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    means = class_means(z, codes, n_classes)
    is_white = grey is not None and len(grey) > z.shape[1]
    if low_rank:
        prior = low_rank_prior(means, number)
    else:
        prior = fit_prior(means, number, geometry, NOISES if is_white else (1.0,))
    # Grey has told the covariance; a few trials would only blur it.
    covariance = np.eye(z.shape[1]) if is_white else _shrunk(z - prior.means[codes])
    weight = np.linalg.solve(covariance, prior.means.T).T
    bias = -0.5 * (weight * prior.means).sum(axis=1)
    temperature = _temperature(prior, covariance, weight, bias, seed)
    raw = weight @ scaling.matrix.T
    flat = np.tile(raw, (1, counts.shape[1]))
    return LinearClassifier(flat, bias - raw @ scaling.centre, temperature), prior.share


def _temperature(
    prior: Prior, covariance: Float64Array, weight: Float64Array, bias: Float64Array, seed: int
) -> float:
    """Temperature for trials drawn from the posterior over class means."""
    generator = np.random.default_rng(seed)
    codes = np.arange(SYNTHETIC_TRIALS) % len(prior.means)
    root = np.linalg.cholesky(covariance)
    error = np.sqrt(prior.variance) * generator.standard_normal(prior.means.shape)
    noise = generator.standard_normal((len(codes), len(root))) @ root.T
    trials = (prior.means + error)[codes] + noise
    return fit_temperature(trials @ weight.T + bias, codes)


def shared_geometry(donors: Sequence[Float64Array]) -> Float64Array:
    """Mean geometry of several animals."""
    mean: Float64Array = np.mean(donors, axis=0)
    return mean
