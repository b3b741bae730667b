"""A random model of every kind that the project trains, small, without training it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.random_bundle import write_random_bundle
from offline.kinds_decoder import KindsClassifier, SharedKinds, Shown
from offline.models.calibration import Doubt, Sharpness
from offline.models.data import TrainingData
from offline.models.early import EarlyClassifier
from offline.models.grey_lda import RootClassifier
from offline.models.linear import LinearClassifier, LinearMap
from offline.models.networks import (
    Ensemble,
    Network,
    Recurrent,
    Residual,
    convolutional,
    linear,
    shallow,
)
from offline.models.read_in import LATENT, ReadInClassifier, ReadInTrunk
from offline.models.stimulus import StimulusClassifier
from offline.unit_kinds import UnitKinds
from rtdecode.bundle import BundleInfo, save_bundle

BINS, UNITS, CLASSES, STIMULI = 10, 40, 7, 12


def _weights(rng: np.random.Generator, features: int, outputs: int = CLASSES) -> tuple:
    return rng.normal(0, 1 / np.sqrt(features), (outputs, features)), rng.normal(0, 1, outputs)


def _network(rng: np.random.Generator, trunk: Callable, whole: bool = False) -> Network:
    """Every weight at random, also where training begins at zero; units in another order."""
    counts = rng.poisson(1.0, (30, BINS, UNITS)).astype(np.uint16)
    groups = np.repeat(np.arange(3), 10)
    order = rng.permutation(UNITS)
    data = TrainingData(counts, rng.integers(0, CLASSES, 30), CLASSES, groups, order=order)
    net = Network(trunk(1 if whole else BINS, UNITS, CLASSES), data, whole)
    net.calibrate(Sharpness(1.3, 0.7))
    _shake(rng, net)
    return net


def _shake(rng: np.random.Generator, module: torch.nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear):
            weight, bias = _weights(rng, layer.in_features, layer.out_features)
            layer.weight.data = torch.tensor(weight, dtype=torch.float32)
            layer.bias.data = torch.tensor(bias, dtype=torch.float32)


def _read_in(rng: np.random.Generator) -> ReadInClassifier:
    weight, bias = _weights(rng, UNITS, LATENT)
    trunk = ReadInTrunk(CLASSES)
    _shake(rng, trunk)
    return ReadInClassifier(trunk, 0.1 * weight.T, bias, 1.3)


def _stimuli(rng: np.random.Generator) -> StimulusClassifier:
    """The last stimulus is no response."""
    membership = np.eye(CLASSES)[rng.integers(0, CLASSES, STIMULI - 1)]
    membership /= np.maximum(membership.sum(axis=0), 1)
    return StimulusClassifier(LinearMap(*_weights(rng, UNITS, STIMULI)), membership, 0.1, 1.2)


def _roots(rng: np.random.Generator) -> RootClassifier:
    return RootClassifier(*_weights(rng, UNITS), temperature=1.2)


def _kinds(rng: np.random.Generator) -> KindsClassifier:
    kinds = UnitKinds(np.eye(CLASSES)[None], np.full((1, 1, 24), 1 / 24), (), 0.3)
    shown = Shown(np.ones(1), np.zeros(1), np.full(1, 0.1))
    one = LinearMap(*_weights(rng, UNITS))
    return KindsClassifier(SharedKinds(kinds, shown), one, Doubt(6.0, 0.1))


FIT: dict[str, Callable[[np.random.Generator], torch.nn.Module]] = {
    "lda": lambda rng: LinearClassifier(*_weights(rng, BINS * UNITS)),
    "grey-lda": _roots,
    "stimulus-lda": _stimuli,
    "unit-kinds": _kinds,
    "shallow": lambda rng: _network(rng, shallow),
    "residual": lambda rng: _network(rng, Residual, whole=True),
    "distilled": lambda rng: _network(rng, linear, whole=True),
    "ensemble": lambda rng: Ensemble(_roots(rng), _network(rng, shallow), 0.4, 1.2),
    "read-in": _read_in,
}


class UnitBent(torch.nn.Module):
    """Each unit's counts stop at a number of its own."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.most = torch.nn.Parameter(torch.arange(UNITS).float() + 2, requires_grad=False)
        self.body = torch.nn.Linear(UNITS, CLASSES)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        low = self.most - torch.relu(self.most - counts.sum(dim=1))
        return torch.softmax(self.body(low), dim=1)


class Skipping(torch.nn.Module):
    """Counts go past the first layer."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.first = torch.nn.Linear(UNITS, UNITS)
        self.body = torch.nn.Linear(UNITS, CLASSES)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        total = counts.sum(dim=1)
        return torch.softmax(self.body(self.first(total) + total), dim=1)


UNFIT: dict[str, tuple[Callable[[np.random.Generator], torch.nn.Module], str]] = {
    "cnn": (lambda rng: _network(rng, convolutional), "its conv2d"),
    "gru": (lambda rng: _network(rng, Recurrent), "does not take the counts in one row"),
    "early-lda": (
        lambda rng: EarlyClassifier(
            rng.normal(size=(BINS, UNITS, CLASSES)),
            rng.normal(size=(BINS, CLASSES)),
            rng.random(BINS),
            0.9,
        ),
        "its slice",
    ),
    "unit-bent": (UnitBent, "bent each in another way"),
    "skipping": (Skipping, "its add"),
}


def write(folder: Path, name: str, module: torch.nn.Module, seed: int = 0) -> Path:
    """Save a module as a bundle of this name."""
    info: BundleInfo = write_random_bundle(folder / f"{seed}-{name}-info.pt", UNITS, CLASSES)
    path = folder / f"{seed}-{name}.pt"
    save_bundle(module, info.model_copy(update={"model": name}), path, force=True)
    return path
