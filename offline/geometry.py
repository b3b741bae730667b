"""What animals share: which stimuli look alike to them.

Units differ from animal to animal, but the similarity of responses to pairs
of stimuli, the representational geometry, is partly shared (Kriegeskorte and
Kievit 2013). Here it is a prior over class means: a stimulus shown to a new
animal a few times also tells about the stimuli that other animals find like
it. The process's covariance (``offline.class_prior``) is a mixture of the
donors' geometry and of independence; the mixture is that of highest marginal
likelihood (Rasmussen and Williams 2006, chapter 5), so that a geometry which
does not fit is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from offline.class_prior import NOISES, Prior, of_average, sized
from offline.few_trials import fit_few
from offline.models.calibration import Float64Array
from offline.models.linear import LinearClassifier, class_means
from offline.whitening import whitening, whole

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
LEAST_FREEDOM = 60


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
    # Noise that is only guessed would pass for relevance.
    alike = number.sum() - len(number) < LEAST_FREEDOM
    shares = SHARES if geometry is not None else (0.0,)
    candidates = [
        sized(means, _mixed(geometry, share, len(means)), noise, share, alike)
        for share, noise in product(shares, of_average(number, noises))
    ]
    return max(candidates, key=lambda one: one.likelihood).posterior(means)


def _mixed(geometry: Float64Array | None, share: float, classes: int) -> Float64Array:
    """Covariance over classes: so much of a geometry, the rest independence."""
    identity = np.eye(classes)
    return identity if geometry is None else share * geometry + (1 - share) * identity


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
    """A decoder from a few trials a class (`fit_few`); also the share that geometry got.

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

    def prior_of(means: Float64Array, number: NDArray[np.int64], is_white: bool) -> Prior:
        if low_rank:
            return low_rank_prior(means, number)
        return fit_prior(means, number, geometry, NOISES if is_white else (1.0,))

    found, prior = fit_few(counts, codes, n_classes, prior_of, seed=seed, grey=grey)
    return found, prior.share


def shared_geometry(donors: Sequence[Float64Array]) -> Float64Array:
    """Mean geometry of several animals."""
    mean: Float64Array = np.mean(donors, axis=0)
    return mean
