"""Class means of an animal's units when each class was seen a few times.

For each unit the class means are a Gaussian process over classes: a covariance
says which classes are alike, and how large the process is beside the noise is
each unit's own, since most units of a probe tell little of a stimulus and some
tell much (relevance, MacKay 1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from offline.models.calibration import Float64Array

# Of the process in units of a trial's noise; the smallest is as good as nothing.
SIZES = np.geomspace(0.0003, 10.0, 24)
SIZE_ROUNDS, LEAST_SHARE_OF_SIZE = 12, 1e-4
# Variances of a trial's noise to choose from, in units of what it is taken for.
NOISES = (0.6, 0.8, 1.0, 1.3, 1.7)


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
        How much of the prior is the donors'.
    """

    means: Float64Array
    variance: Float64Array
    share: float


@dataclass(frozen=True, eq=False)
class Process:
    """A covariance over classes by its eigenvalues (classes,) and eigenvectors."""

    values: Float64Array
    vectors: Float64Array

    @classmethod
    def of(cls, covariance: Float64Array) -> Process:
        """The process of a covariance (classes, classes)."""
        values, vectors = np.linalg.eigh(covariance)
        return cls(np.maximum(values, 0), vectors)

    def likelihoods(self, means: Float64Array, noise: float) -> Float64Array:
        """Log likelihood of each feature's averages at each of `SIZES`, (features, sizes).

        Parameters
        ----------
        means : (classes, features)
            Averages over trials, centred.
        noise : float
            Variance of an average.
        """
        total = np.outer(SIZES, self.values) + noise
        energy = (self.vectors.T @ means).T ** 2
        logs: Float64Array = -0.5 * (energy @ (1 / total).T + np.log(total).sum(axis=1))
        return logs

    def posterior(
        self, means: Float64Array, noise: float, weights: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Mean and variance of class means, both times the weights (features, sizes) of sizes."""
        signal = np.outer(SIZES, self.values)
        gain = weights @ (signal / (signal + noise))
        found = self.vectors @ (gain.T * (self.vectors.T @ means))
        variance = self.vectors**2 @ (noise * gain).T
        return found, variance


@dataclass(frozen=True, eq=False)
class Sized:
    """A process, and how large each feature's is likely to be.

    Attributes
    ----------
    process : Process
    noise : float
        Variance of an average over trials.
    share : float
    weights : (features, sizes)
        Probability of each of `SIZES`.
    likelihood : float
        Log marginal likelihood of all averages.
    """

    process: Process
    noise: float
    share: float
    weights: Float64Array
    likelihood: float

    def posterior(self, means: Float64Array) -> Prior:
        """Class means of each feature: mean and variance over its sizes."""
        return Prior(*self.process.posterior(means, self.noise, self.weights), self.share)


def sized(
    means: Float64Array, covariance: Float64Array, noise: float, share: float, alike: bool
) -> Sized:
    """How large features' processes are under a covariance; all the same if ``alike``."""
    process = Process.of(covariance)
    logs = process.likelihoods(means, noise)
    if alike:
        likelihood = float(logsumexp(logs.sum(axis=0)))
        weights = np.broadcast_to(np.exp(logs.sum(axis=0) - likelihood), logs.shape)
    else:
        weights, likelihood = _relevances(logs)
    return Sized(process, noise, share, weights, likelihood)


def _relevances(logs: Float64Array) -> tuple[Float64Array, float]:
    """Each feature's sizes under a distribution that all share, by expectation-maximisation.

    The distribution is found from the features themselves (empirical Bayes on a
    grid, Efron 2014).

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


def of_average(number: NDArray[np.int64], noises: Sequence[float] = NOISES) -> list[float]:
    """Variances of an average over trials to choose from; ``number`` (classes,) of them."""
    mean = float(np.mean(1 / number))
    return [noise * mean for noise in noises]
