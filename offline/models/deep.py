"""Deep models: each is fitted to counts on its own, blended with LDA, or distilled from that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import nn

from offline.models.calibration import (
    Float64Array,
    Sharpness,
    fit_sharpness,
    fit_temperature,
    smoothed_loss,
)
from offline.models.data import TrainingData
from offline.models.grey_lda import RootClassifier, fit_grey_map, root_logits
from offline.models.linear import LinearMap
from offline.models.networks import (
    Ensemble,
    Network,
    Recurrent,
    Residual,
    Trunk,
    convolutional,
    linear,
    shallow,
)
from offline.models.training import Recipe, raw_logits, train_network

PLAIN = Recipe()
# LDA is near the best already: little and slow, and soon enough.
RESIDUAL = Recipe(epochs=8, patience=3, rate=5e-4)
DISTILLED = Recipe(epochs=30, patience=5, rate=1e-3)


@dataclass(frozen=True)
class Design:
    """A network's trunk and recipe; ``from_lda``: it begins as LDA, on whole windows."""

    trunk: Trunk
    recipe: Recipe = PLAIN
    from_lda: bool = False


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network on all training trials, and what the same gave on a group that it had not seen.

    Attributes
    ----------
    net : Network
    held_logits : (n, classes)
        Of a network that was not fitted to the last group, on that group.
    held_codes : (n,) int64
    """

    net: Network
    held_logits: Float64Array
    held_codes: NDArray[np.int64]


def _new(design: Design, data: TrainingData, lda: LinearMap | None, seed: int) -> Network:
    """A network before training."""
    bins, units = data.counts.shape[1:]
    torch.manual_seed(seed)
    trunk = design.trunk(1 if design.from_lda else bins, units, data.n_classes)
    net = Network(trunk, data, whole=design.from_lda)
    if lda is not None:
        weight, bias = net.of_standardised(lda)
        layer = next(m for m in trunk.modules() if isinstance(m, nn.Linear))
        layer.weight.data = torch.tensor(weight, dtype=torch.float32)
        layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    return net


def _scaled(data: TrainingData) -> LinearMap:
    """LDA with calibrated logits."""
    found, temperature = fit_grey_map(data)
    return LinearMap(found.weight / temperature, found.bias / temperature)


def _fit(data: TrainingData, seed: int, design: Design) -> Fitted:
    """A network on all trials, for as many epochs as were best with the last group left out."""
    fitted, held = data.inner_folds()[-1]
    with torch.random.fork_rng():
        probe = _new(design, fitted, _scaled(fitted) if design.from_lda else None, seed)
        recipe = design.recipe
        epochs = train_network(probe, fitted, held, recipe.epochs, recipe, seed=seed, phase="probe")
        logits = raw_logits(probe, held.counts)
        net = _new(design, data, _scaled(data) if design.from_lda else None, seed)
        train_network(net, data, None, epochs, recipe, seed=seed)
    net = net.cpu()
    net.calibrate(fit_sharpness(logits, held.codes))
    return Fitted(net, logits, held.codes)


def fit_shallow(data: TrainingData, seed: int = 0) -> Network:
    """A net of one hidden layer."""
    return _fit(data, seed, Design(shallow)).net


def fit_cnn(data: TrainingData, seed: int = 0) -> Network:
    """A CNN on the neural image."""
    return _fit(data, seed, Design(convolutional)).net


def fit_gru(data: TrainingData, seed: int = 0) -> Network:
    """A GRU over the bins of a window."""
    return _fit(data, seed, Design(Recurrent)).net


def fit_residual(data: TrainingData, seed: int = 0) -> Network:
    """A hidden layer beside a linear one that begins as LDA; both are trained."""
    return _fit(data, seed, Design(Residual, RESIDUAL, from_lda=True)).net


def fit_ensemble(data: TrainingData, seed: int = 0) -> Ensemble:
    """LDA and a shallow net; their weight and temperature from the left-out group."""
    found = _fit(data, seed, Design(shallow))
    fitted, held = data.inner_folds()[-1]
    linear_logits = root_logits(fit_grey_map(fitted)[0], held.counts)
    weight, temperature, scales = _blend(linear_logits, found.held_logits, found.held_codes)
    chosen = fit_grey_map(data)[0]
    found.net.calibrate(Sharpness(scales[1]))
    lda = RootClassifier(chosen.weight, chosen.bias, scales[0])
    return Ensemble(lda, found.net, weight, temperature)


def fit_distilled(data: TrainingData, seed: int = 0) -> Network:
    """One linear layer that has learnt the ensemble's probabilities (Hinton and others 2015).

    Trials are thinned at random for it, so that it also learns what the
    ensemble says of trials that the ensemble was not fitted to.
    """
    fitted, _ = data.inner_folds()[-1]
    alone = replace(data, checkpoint=None)
    parts = [_taught(part, seed) for part in (replace(fitted, checkpoint=None), alone)]
    return _student(data, seed, parts[0], parts[1])


COPIES = 2
KEPT = 0.85


def _taught(data: TrainingData, seed: int) -> tuple[TrainingData, torch.Tensor]:
    """Trials beside thinned copies of them, and the ensemble's probabilities of all."""
    from offline.models.registry import predict

    teacher = fit_ensemble(data, seed).eval()
    generator = np.random.default_rng(seed)
    thinned = [generator.binomial(data.counts, KEPT).astype(np.uint16) for _ in range(COPIES)]
    counts = np.concatenate([data.counts, *thinned])
    many = np.tile(np.arange(len(data)), COPIES + 1)
    larger = replace(data.take(many), counts=counts)
    return larger, torch.from_numpy(predict(teacher, counts))


def _student(
    data: TrainingData,
    seed: int,
    part: tuple[TrainingData, torch.Tensor],
    whole: tuple[TrainingData, torch.Tensor],
) -> Network:
    """A linear layer trained on what the teacher said; its temperature from the left-out group."""
    fitted, held = data.inner_folds()[-1]
    design = Design(linear, DISTILLED, from_lda=True)
    with torch.random.fork_rng():
        probe = _new(design, fitted, _scaled(fitted), seed)
        epochs = train_network(
            probe, part[0], held, DISTILLED.epochs, DISTILLED, seed=seed, targets=part[1]
        )
        logits = raw_logits(probe, held.counts)
        net = _new(design, data, _scaled(data), seed)
        train_network(net, whole[0], None, epochs, DISTILLED, seed=seed, targets=whole[1])
    net = net.cpu()
    net.calibrate(fit_sharpness(logits, held.codes))
    return net


def _blend(
    first: Float64Array, second: Float64Array, codes: NDArray[np.int64]
) -> tuple[float, float, tuple[float, float]]:
    """Weight of the first, temperature of the blend, temperatures of the members."""
    scales = fit_temperature(first, codes), fit_temperature(second, codes)
    one, two = log_softmax(first / scales[0], axis=1), log_softmax(second / scales[1], axis=1)
    tried = []
    for weight in np.linspace(0, 1, 11).tolist():
        mixed = weight * one + (1 - weight) * two
        temperature = fit_temperature(mixed, codes)
        tried.append((smoothed_loss(mixed / temperature, codes), weight, temperature))
    _, weight, temperature = min(tried)
    return weight, temperature, scales
