"""What animals share: which stimuli look alike to them.

Units differ from animal to animal, but the similarity of responses to pairs
of stimuli, the representational geometry, is partly shared (Kriegeskorte and
Kievit 2013). Here it is a prior over class means: a stimulus shown to a new
animal a few times also tells about the stimuli that other animals find like
it. For each unit the class means are a Gaussian process over stimuli whose
covariance is a mixture of the donors' geometry and of independence; mixture
and size are those of highest marginal likelihood (Rasmussen and Williams
2006, chapter 5), so that a geometry which does not fit is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from offline.models.calibration import Float64Array, fit_temperature
from offline.models.linear import LinearClassifier, class_means

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
SIZES = tuple(np.geomspace(0.003, 3.0, 16).tolist())
SYNTHETIC_TRIALS = 2000


@dataclass(frozen=True, eq=False)
class Scaling:
    """Features in units of their noise: centre (features,), scale (features,)."""

    centre: Float64Array
    scale: Float64Array

    def apply(self, x: Float64Array) -> Float64Array:
        """Scaled features, (n, features)."""
        return (x - self.centre) / self.scale


@dataclass(frozen=True, eq=False)
class Prior:
    """Class means under the prior that fits best.

    Attributes
    ----------
    means : (classes, features)
        Posterior mean.
    variance : (classes,)
        Posterior variance, the same for every feature.
    share : float
        How much of the prior is the donors' geometry.
    """

    means: Float64Array
    variance: Float64Array
    share: float


def noise_scaling(x: Float64Array, codes: NDArray[np.int64], n_classes: int) -> Scaling:
    """Centre and noise of each feature; with one trial a class, noise is Poisson's."""
    number = np.bincount(codes, minlength=n_classes)
    residual = x - class_means(x, codes, n_classes)[codes]
    freedom = max(len(x) - np.count_nonzero(number), 1)
    poisson = x.mean(axis=0) + 0.05
    measured = (residual**2).sum(axis=0) / freedom
    # Few trials: lean on Poisson, as much as twenty trials would weigh.
    weight = freedom / (freedom + 20.0) if number.max() > 1 else 0.0
    return Scaling(x.mean(axis=0), np.sqrt(weight * measured + (1 - weight) * poisson))


def class_geometry(
    counts: NDArray[np.uint16], codes: NDArray[np.int64], n_classes: int
) -> Float64Array:
    """Covariance of the classes over an animal's units, noise taken off, (classes, classes).

    The mean of its diagonal is 1.
    """
    x = counts.sum(axis=1).astype(np.float64)
    means = class_means(noise_scaling(x, codes, n_classes).apply(x), codes, n_classes)
    means -= means.mean(axis=0)
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    gram = means @ means.T / x.shape[1] - np.diag(1 / number)
    values, vectors = np.linalg.eigh(gram)
    gram = (vectors * np.maximum(values, 0)) @ vectors.T
    scaled: Float64Array = gram / max(float(np.trace(gram)) / n_classes, 1e-12)
    return scaled


def fit_prior(
    means: Float64Array, number: NDArray[np.int64], geometry: Float64Array | None
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
    """
    noise = float(np.mean(1 / number))
    identity = np.eye(len(means))
    best: tuple[float, float, float] = (-np.inf, 0.0, SIZES[0])
    for share in SHARES if geometry is not None else (0.0,):
        mixed = identity if geometry is None else share * geometry + (1 - share) * identity
        values, vectors = np.linalg.eigh(mixed)
        energy = ((vectors.T @ means) ** 2).sum(axis=1)
        for size in SIZES:
            total = size * np.maximum(values, 0) + noise
            likelihood = -0.5 * (means.shape[1] * np.log(total) + energy / total).sum()
            best = max(best, (float(likelihood), share, size))
    _, share, size = best
    mixed = identity if geometry is None else share * geometry + (1 - share) * identity
    signal = size * mixed
    gain = signal @ np.linalg.inv(signal + noise * identity)
    return Prior(gain @ means, np.maximum(np.diag(signal - gain @ signal), 0), share)


def fit_with_geometry(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    geometry: Float64Array | None,
    seed: int = 0,
) -> tuple[LinearClassifier, float]:
    """A linear decoder from a few trials a class; also the share that geometry got.

    Class means as above, a Ledoit-Wolf covariance, and the temperature that
    suits trials drawn from the posterior itself: with few trials, none can be
    spared to measure it.
    """
    x = counts.sum(axis=1).astype(np.float64)
    scaling = noise_scaling(x, codes, n_classes)
    z = scaling.apply(x)
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    prior = fit_prior(class_means(z, codes, n_classes), number, geometry)
    residual = z - prior.means[codes]
    shrinkage = float(ledoit_wolf_shrinkage(residual, assume_centered=True))
    spread = residual.T @ residual / len(z)
    covariance = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(
        len(spread)
    )
    weight = np.linalg.solve(covariance, prior.means.T).T
    bias = -0.5 * (weight * prior.means).sum(axis=1)
    temperature = _temperature(prior, covariance, weight, bias, seed)
    raw = weight / scaling.scale
    flat = np.tile(raw, (1, counts.shape[1]))
    return LinearClassifier(flat, bias - raw @ scaling.centre, temperature), prior.share


def _temperature(
    prior: Prior, covariance: Float64Array, weight: Float64Array, bias: Float64Array, seed: int
) -> float:
    """Temperature for trials drawn from the posterior over class means."""
    generator = np.random.default_rng(seed)
    codes = np.arange(SYNTHETIC_TRIALS) % len(prior.means)
    root = np.linalg.cholesky(covariance)
    error = np.sqrt(prior.variance)[:, None] * generator.standard_normal(prior.means.shape)
    noise = generator.standard_normal((len(codes), len(root))) @ root.T
    trials = (prior.means + error)[codes] + noise
    return fit_temperature(trials @ weight.T + bias, codes)


def shared_geometry(donors: Sequence[Float64Array]) -> Float64Array:
    """Mean geometry of several animals."""
    mean: Float64Array = np.mean(donors, axis=0)
    return mean
