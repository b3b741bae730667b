"""What makes the noise of counts alike in all units, as far as few trials and grey tell it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from offline.models.calibration import Float64Array
from offline.models.linear import class_means

FREEDOM_OF_GUESS = 20.0
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


def whole(counts: NDArray[np.uint16]) -> Float64Array:
    """Counts of whole windows, (n, units) float64."""
    return counts.sum(axis=1).astype(np.float64)


def has_grey(grey: NDArray[np.uint16] | None, n_units: int) -> bool:
    """Whether there are windows of grey enough for the covariance of so many units."""
    return grey is not None and len(grey) > n_units


def whitening(
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    n_classes: int,
    grey: NDArray[np.uint16] | None = None,
    overdispersion: float = 0.0,
) -> Whitening:
    """What makes the noise of counts alike in all units.

    With enough grey it is the noise's covariance, from grey and from what is
    left of the trials without their class means, every window counting the
    same. Without, each unit has its own scale.

    Parameters
    ----------
    counts : (n, bins, units) uint16
    codes : (n,) int64
    n_classes : int
    grey : (m, bins, units) uint16 or None
    overdispersion : float
        Of units in general: variance beyond Poisson's, as a share of the squared
        mean. What a unit's noise is guessed by while few trials tell it.
    """
    x = whole(counts)
    number = np.bincount(codes, minlength=n_classes)
    residual = x - class_means(x, codes, n_classes)[codes]
    freedom = max(len(x) - np.count_nonzero(number), 1)
    centre = x.mean(axis=0)
    if grey is None or not has_grey(grey, x.shape[1]):
        guess = centre + overdispersion * centre**2 + LEAST_NOISE
        return Whitening(centre, np.diag(1 / _noise_scale(guess, residual, freedom, number)))
    still = whole(grey)
    # The mean of few trials is close to each: residuals are too small by their freedom.
    free = residual * np.sqrt(len(x) / freedom) if number.max() > 1 else residual[:0]
    scale = still.std(axis=0) + LEAST_NOISE
    noise = np.concatenate([still - still.mean(axis=0), free]) / scale
    values, vectors = np.linalg.eigh(shrunk_covariance(noise))
    return Whitening(centre, (vectors / np.sqrt(values)) @ vectors.T / scale[:, None])


def _noise_scale(
    guess: Float64Array, residual: Float64Array, freedom: int, number: NDArray[np.int64]
) -> Float64Array:
    """Noise of each unit's count, (units,); with few trials it leans on the guessed variance."""
    measured = (residual**2).sum(axis=0) / freedom
    weight = freedom / (freedom + FREEDOM_OF_GUESS) if number.max() > 1 else 0.0
    scale: Float64Array = np.sqrt(weight * measured + (1 - weight) * guess)
    return scale


def overdispersion(x: Float64Array, codes: NDArray[np.int64], n_classes: int) -> float:
    """Variance of counts (n, units) about class means beyond Poisson's, over the squared mean."""
    mean = x.mean(axis=0)
    residual = x - class_means(x, codes, n_classes)[codes]
    variance = (residual**2).sum(axis=0) / max(len(x) - n_classes, 1)
    weight = 1 / (mean + LEAST_NOISE) ** 2
    share = ((variance - mean) * mean**2 * weight).sum() / (mean**4 * weight).sum()
    return max(float(share), 0.0)


def shrunk_covariance(residual: Float64Array) -> Float64Array:
    """Covariance after Ledoit and Wolf (2004) of rows without a mean; never singular."""
    shrinkage = float(ledoit_wolf_shrinkage(residual, assume_centered=True))
    spread = residual.T @ residual / max(len(residual), 1)
    middle = max(float(np.trace(spread)) / len(spread), 1e-6)
    found: Float64Array = (1 - shrinkage) * spread + max(shrinkage, 1e-3) * middle * np.eye(
        len(spread)
    )
    return found
