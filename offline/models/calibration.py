"""Probabilities that mean what they say.

Temperature scaling: Guo, Pleiss, Sun, Weinberger (ICML 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Float64Array = NDArray[np.float64]


def negative_log_likelihood(logits: Float64Array, codes: NDArray[np.int64]) -> float:
    """Mean of minus log p(true class); logits (n, classes), codes (n,)."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(codes)), codes].mean())


def smoothed_loss(logits: Float64Array, codes: NDArray[np.int64]) -> float:
    """Minus log likelihood with Platt's targets (1999): n right of n say (n + 1) / (n + 2)."""
    scores = log_softmax(logits, axis=1)
    doubt = 1 / (len(codes) + 2)
    true = scores[np.arange(len(codes)), codes]
    others = (scores.sum(axis=1) - true) / max(scores.shape[1] - 1, 1)
    return float(-((1 - doubt) * true + doubt * others).mean())


def fit_temperature(logits: Float64Array, codes: NDArray[np.int64]) -> float:
    """The temperature that makes the true classes likeliest.

    Parameters
    ----------
    logits : (n, classes) float64
        Of trials that the model was not fitted to.
    codes : (n,) int64

    Returns
    -------
    float
        Divide logits by it; 1 where there is no trial to go by.
    """
    if len(codes) == 0:
        return 1.0
    found = minimize_scalar(
        lambda log_t: smoothed_loss(logits / np.exp(log_t), codes),
        bounds=(np.log(0.02), np.log(1e6)),
        method="bounded",
    )
    return float(np.exp(found.x))


def reliability(
    probabilities: NDArray[np.float32], codes: NDArray[np.int64], bins: int = 15
) -> tuple[Float64Array, Float64Array, NDArray[np.int64]]:
    """Mean confidence, accuracy and number of trials in equal bins of the top probability."""
    top = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == codes).astype(np.float64)
    place = np.clip((top * bins).astype(int), 0, bins - 1)
    number = np.bincount(place, minlength=bins)
    safe = np.maximum(number, 1)
    confidence = np.bincount(place, top, bins) / safe
    accuracy = np.bincount(place, right, bins) / safe
    return confidence, accuracy, number


def expected_calibration_error(
    probabilities: NDArray[np.float32], codes: NDArray[np.int64], bins: int = 15
) -> float:
    """Mean distance of confidence from accuracy over bins of the top probability, by trial."""
    confidence, accuracy, number = reliability(probabilities, codes, bins)
    return float(np.abs(confidence - accuracy) @ number / max(number.sum(), 1))
