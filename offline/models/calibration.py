"""Probabilities that mean what they say.

Temperature scaling: Guo, Pleiss, Sun, Weinberger (ICML 2017). One temperature
does not suit trials with a response and trials almost without one: the first
are then believed too little and the second too much. So the temperature may
also fall with a trial's own evidence (parameterised temperature scaling:
Tomani, Cremers, Buettner, ECCV 2022), by one number more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_softmax, softmax

Float64Array = NDArray[np.float64]
MOST_POWER = 2.0
# Spread of the power's prior: with few trials the temperature is the same for all.
POWER_SPREAD = 0.5
# Shares to choose from.
LAPSES = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3)


def negative_log_likelihood(logits: Float64Array, codes: NDArray[np.int64]) -> float:
    """Mean of minus log p(true class); logits (n, classes), codes (n,)."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(codes)), codes].mean())


def smoothed_loss(logits: Float64Array, codes: NDArray[np.int64]) -> float:
    """Minus log likelihood with Platt's targets (1999): n right of n say (n + 1) / (n + 2)."""
    return -_by_targets(log_softmax(logits, axis=1), codes)


def _by_targets(scores: Float64Array, codes: NDArray[np.int64]) -> float:
    """Mean over trials of scores (n, classes), weighted by those targets."""
    doubt = 1 / (len(codes) + 2)
    true = scores[np.arange(len(codes)), codes]
    others = (scores.sum(axis=1) - true) / max(scores.shape[1] - 1, 1)
    return float(((1 - doubt) * true + doubt * others).mean())


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
    # `smoothed_loss` of logits / t, with what does not hang on t taken out of the loop.
    centred = logits - logits.max(axis=1, keepdims=True)
    wanted = _by_targets(centred, codes)

    def loss(log_t: float) -> float:
        rate = np.exp(-log_t)
        return float(np.log(np.exp(centred * rate).sum(axis=1)).mean()) - wanted * rate

    found = minimize_scalar(
        loss, bounds=(np.log(0.02), np.log(1e6)), method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(found.x))


def sharpened(logits: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Logits (n, classes) times a power of how far those of the same trial lie apart."""
    spread = torch.std(logits, dim=[1], unbiased=True, keepdim=True)
    return logits * torch.pow(spread, power)


@dataclass(frozen=True)
class Sharpness:
    """Logits are divided by the temperature, then `sharpened` by the power."""

    temperature: float
    power: float = 0.0

    def probabilities(self, logits: Float64Array) -> Float64Array:
        """Logits (n, classes) to probabilities."""
        found: Float64Array = softmax(self._applied(logits), axis=1)
        return found

    def loss(self, logits: Float64Array, codes: NDArray[np.int64]) -> float:
        """`smoothed_loss` of logits (n, classes) as this makes them."""
        return smoothed_loss(self._applied(logits), codes)

    def _applied(self, logits: Float64Array) -> Float64Array:
        scaled = logits / self.temperature
        found: Float64Array = scaled * scaled.std(axis=1, ddof=1, keepdims=True) ** self.power
        return found


def fit_sharpness(logits: Float64Array, codes: NDArray[np.int64]) -> Sharpness:
    """Temperature and power that make the true classes likeliest.

    Parameters
    ----------
    logits : (n, classes) float64
        Of trials that the model was not fitted to.
    codes : (n,) int64
    """
    start = fit_temperature(logits, codes)
    if len(codes) == 0:
        return Sharpness(start)

    def loss(values: Float64Array) -> float:
        prior = 0.5 * float(values[1] / POWER_SPREAD) ** 2 / len(codes)
        return Sharpness(float(np.exp(values[0])), float(values[1])).loss(logits, codes) + prior

    log_t = np.log(start)
    found = minimize(
        loss,
        [log_t, 0.3],
        method="Nelder-Mead",
        bounds=[(log_t - 5, log_t + 5), (0.0, MOST_POWER)],
        options={"xatol": 0.01, "fatol": 1e-5},
    )
    return Sharpness(float(np.exp(found.x[0])), float(found.x[1]))


@dataclass(frozen=True)
class Doubt:
    """Logits are divided by the temperature; a share of trials is as good as guessed.

    On such a trial, a lapse (Wichmann and Hill 2001), every class is as likely, so
    that no probability comes near one however large the evidence.
    """

    temperature: float
    lapses: float

    def probabilities(self, logits: Float64Array) -> Float64Array:
        """Logits (n, classes) to probabilities."""
        sure = softmax(logits / self.temperature, axis=1)
        found: Float64Array = (1 - self.lapses) * sure + self.lapses / logits.shape[1]
        return found


def fit_doubt(logits: Float64Array, codes: NDArray[np.int64]) -> Doubt:
    """The likeliest share of lapses under which the top probability is, in the mean, right.

    Both freely fitted, the top probability is too small by a tenth: wrong answers cost
    the likelihood more the surer they are, and more than a softmax foresees.

    Parameters
    ----------
    logits : (n, classes) float64
        Of trials that the model was not fitted to; n above 0.
    codes : (n,) int64
    """
    tried = [Doubt(_right_in_the_mean(logits, codes, lapses), lapses) for lapses in LAPSES]
    rows = np.arange(len(codes))
    return max(tried, key=lambda one: np.log(one.probabilities(logits)[rows, codes]).mean())


def _right_in_the_mean(logits: Float64Array, codes: NDArray[np.int64], lapses: float) -> float:
    """The temperature at which the mean top probability is nearest to the share of right ones."""
    right = float((logits.argmax(axis=1) == codes).mean())
    middle = np.log(max(float(logits.std()), 1e-9))

    def excess(log_t: float) -> float:
        top = Doubt(float(np.exp(log_t)), lapses).probabilities(logits).max(axis=1)
        return float(top.mean()) - right

    low, high = middle - 8, middle + 4
    if excess(low) <= 0:
        return float(np.exp(low))
    if excess(high) >= 0:
        return float(np.exp(high))
    return float(np.exp(brentq(excess, low, high, xtol=1e-3)))


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
