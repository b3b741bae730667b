"""The small rest of a network, after its first layer: a list of steps on short vectors.

Compiled once for all models: what a model is stands in the arrays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import kernel

# Steps; all but ``ADD`` and ``LINEAR`` give a vector as wide as the one they take.
LINEAR, AFFINE, ADD, SOFTMAX, GELU, RELU, TANH, SIGMOID, LOG, SPREAD = range(10)
# Places in a row of ``Rest.steps``.
STEP, SOURCE, WIDTH, TARGET, TARGET_WIDTH, CONSTANTS, OTHER = range(7)
ROOT_HALF = math.sqrt(0.5)


class Rest(NamedTuple):
    """What is done to the sums of the first layers, in turn.

    Attributes
    ----------
    values : (values,) float64
        Every vector; those of the first layers stand first.
    steps : (steps, 7) int64
        Which step, where its vector begins, how wide that is, the same of what
        it gives, where its constants begin, and where the second vector
        (``ADD``) or the weight (``LINEAR``) does.
    constants : (constants,) float64
        ``LINEAR``: bias; ``AFFINE``: factor, then shift; ``SPREAD``: the power.
    weight : (weights,) float32
        ``LINEAR``: (width, target width).
    """

    values: NDArray[np.float64]
    steps: NDArray[np.int64]
    constants: NDArray[np.float64]
    weight: NDArray[np.float32]


@kernel
def softmax(x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Probabilities of logits (classes,)."""
    highest = x.max()
    total = 0.0
    for i in range(len(x)):
        out[i] = np.exp(x[i] - highest)
        total += out[i]
    for i in range(len(x)):
        out[i] /= total


@kernel
def linear(
    x: NDArray[np.float64],
    weight: NDArray[np.float32],
    bias: NDArray[np.float64],
    y: NDArray[np.float64],
) -> None:
    """``y = x @ weight + bias``."""
    width = len(y)
    for j in range(width):
        y[j] = bias[j]
    for i in range(len(x)):
        for j in range(width):
            y[j] += x[i] * weight[i * width + j]


@kernel
def spread(x: NDArray[np.float64]) -> float:
    """How far values lie apart: the standard deviation of a sample."""
    mean, total = x.mean(), 0.0
    for value in x:
        total += (value - mean) ** 2
    return math.sqrt(total / (len(x) - 1))


@kernel
def bend(step: int, x: float) -> float:
    """A function of one number."""
    if step == GELU:
        return 0.5 * x * (1.0 + math.erf(x * ROOT_HALF))
    if step == RELU:
        return max(x, 0.0)
    if step == TANH:
        return math.tanh(x)
    if step == SIGMOID:
        return 1.0 / (1.0 + math.exp(-x))
    return float(np.log(x))


@kernel
def run_rest(rest: Rest, out: NDArray[np.float32]) -> None:
    """Take every step on ``rest.values``; probabilities (classes,) are what the last one gives."""
    for number in range(len(rest.steps)):
        place = rest.steps[number]
        step, width = place[STEP], place[WIDTH]
        x = rest.values[place[SOURCE] : place[SOURCE] + width]
        y = rest.values[place[TARGET] : place[TARGET] + place[TARGET_WIDTH]]
        constants = rest.constants[place[CONSTANTS] :]
        if step == LINEAR:
            linear(x, rest.weight[place[OTHER] :], constants, y)
        elif step == AFFINE:
            for i in range(width):
                y[i] = x[i] * constants[i] + constants[width + i]
        elif step == ADD:
            for i in range(width):
                y[i] = x[i] + rest.values[place[OTHER] + i]
        elif step == SOFTMAX:
            softmax(x, y)
        elif step == SPREAD:
            factor = spread(x) ** constants[0]
            for i in range(width):
                y[i] = x[i] * factor
        else:
            for i in range(width):
                y[i] = bend(step, x[i])
    last = rest.steps[len(rest.steps) - 1]
    for i in range(len(out)):
        out[i] = rest.values[last[TARGET] + i]
