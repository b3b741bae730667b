"""A trunk that several animals share, behind a layer that each has for itself.

The read-in layer takes an animal's whitened counts to a latent space, the trunk
takes the latent space to classes. For a new animal the trunk stays frozen and
a read-in is fitted from a few trials: ridge regression of where each class lies
in the latent space, its penalty chosen by leaving each trial out. Fine-tuning
then trains both a little further.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from offline.models.calibration import Float64Array, fit_temperature, smoothed_loss
from offline.models.linear import class_means, constant

LATENT, HIDDEN = 48, 128
EPOCHS, BATCH, RATE, DECAY = 12, 256, 2e-3, 0.05
TUNING_EPOCHS, TUNING_RATE = 8, 3e-4
PENALTIES = tuple(np.geomspace(0.03, 30.0, 10).tolist())


class ReadInTrunk(nn.Module):
    """What animals share: latent (n, latent) to logits (n, classes).

    Parameters
    ----------
    classes : int
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.prototypes = constant(np.zeros((classes, LATENT)))
        self.skip = nn.Linear(LATENT, classes)
        self.body = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.GELU(), nn.Dropout(0.3), nn.Linear(HIDDEN, classes)
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Latent (n, latent) to logits (n, classes)."""
        return self.skip(latent) + self.body(latent)


class ReadInClassifier(nn.Module):
    """An animal's read-in layer before a trunk, on whole-window counts.

    Parameters
    ----------
    shared : nn.Module
    weight : (units, latent)
    bias : (latent,)
    temperature : float
    """

    def __init__(
        self, shared: nn.Module, weight: Float64Array, bias: Float64Array, temperature: float
    ) -> None:
        super().__init__()
        self.shared = shared
        self.weight = constant(weight)
        self.bias = constant(bias)
        self.temperature = temperature

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        latent = counts.sum(dim=1) @ self.weight + self.bias
        return torch.softmax(self.shared(latent) / self.temperature, dim=1)


def trunk_of(state: Mapping[str, torch.Tensor]) -> ReadInTrunk:
    """A trunk from the weights of one."""
    trunk = ReadInTrunk(len(state["prototypes"]))
    trunk.load_state_dict({name: value.detach().clone() for name, value in state.items()})
    return trunk.eval()


def train_read_in(
    animals: Sequence[tuple[Float64Array, NDArray[np.int64]]],
    n_classes: int,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[ReadInTrunk, list[nn.Linear]]:
    """Train a trunk and each animal's read-in on whitened counts (n, units) and codes (n,)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk = ReadInTrunk(n_classes).to(device)
        layers = [nn.Linear(z.shape[1], LATENT).to(device) for z, _ in animals]
        there = [
            (torch.from_numpy(z.astype(np.float32)).to(device), torch.from_numpy(y).to(device))
            for z, y in animals
        ]
        _train(trunk, layers, there, EPOCHS, RATE)
    trunk = trunk.cpu().eval()
    means = []
    for (z, codes), layer in zip(animals, layers, strict=True):
        with torch.no_grad():
            latent = layer.cpu()(torch.from_numpy(z.astype(np.float32))).double().numpy()
        means.append(class_means(latent, codes, n_classes))
    trunk.prototypes.data = torch.tensor(np.mean(means, axis=0), dtype=torch.float32)
    return trunk, layers


def _train(
    trunk: nn.Module,
    layers: Sequence[nn.Linear],
    animals: Sequence[tuple[torch.Tensor, torch.Tensor]],
    epochs: int,
    rate: float,
) -> None:
    """Train a trunk and read-ins in place, batches of the animals in turn."""
    parts = nn.ModuleList([trunk, *layers]).train()
    trained = [p for p in parts.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=DECAY)
    longest = max(len(y) for _, y in animals)
    steps = epochs * max(longest // BATCH, 1)
    for _ in range(steps):
        for (z, y), layer in zip(animals, layers, strict=True):
            rows = torch.randint(len(y), (min(BATCH, len(y)),)).to(y.device)
            latent = layer(nn.functional.dropout(z[rows], 0.3))
            loss = nn.functional.cross_entropy(trunk(latent), y[rows], label_smoothing=0.1)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    parts.eval()


def fit_read_in(
    trunk: nn.Module, z: Float64Array, codes: NDArray[np.int64]
) -> tuple[Float64Array, Float64Array, float]:
    """Read-in of whitened counts (n, units): weight (units, latent), bias (latent,), temperature.

    The penalty and the temperature are those under which trials left out one
    by one are decoded best.
    """
    prototypes: Any = trunk.prototypes
    targets = prototypes.detach().double().numpy()[codes]
    middle, centre = targets.mean(axis=0), z.mean(axis=0)
    x, y = z - centre, targets - middle
    values, vectors = np.linalg.eigh(x @ x.T)
    values = np.maximum(values, 0)
    unit = max(float(values.mean()), 1e-9)
    tried = []
    for penalty in PENALTIES:
        kept = values / (values + penalty * unit)
        fitted = (vectors * kept) @ (vectors.T @ y)
        leverage = np.minimum((vectors**2) @ kept, 0.999)[:, None]
        latent = (fitted - leverage * y) / (1 - leverage) + middle
        logits = trunk_logits(trunk, latent)
        temperature = fit_temperature(logits, codes)
        tried.append((smoothed_loss(logits / temperature, codes), penalty, temperature))
    _, penalty, temperature = min(tried)
    weight = x.T @ (vectors / (values + penalty * unit)) @ (vectors.T @ y)
    return weight, middle - centre @ weight, temperature


def trunk_logits(trunk: nn.Module, latent: Float64Array) -> Float64Array:
    """Logits (n, classes) of latent (n, latent)."""
    with torch.inference_mode():
        found: Float64Array = trunk(torch.from_numpy(latent.astype(np.float32))).double().numpy()
    return found


def fine_tune(
    trunk: ReadInTrunk,
    weight: Float64Array,
    bias: Float64Array,
    z: Float64Array,
    codes: NDArray[np.int64],
    seed: int = 0,
) -> tuple[ReadInTrunk, Float64Array, Float64Array]:
    """Train a copy of the trunk and the read-in a little further on an animal's own trials."""
    tuned = copy.deepcopy(trunk)
    layer = nn.Linear(weight.shape[0], weight.shape[1])
    layer.weight.data = torch.tensor(weight.T, dtype=torch.float32)
    layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        there = torch.from_numpy(z.astype(np.float32)), torch.from_numpy(codes)
        _train(tuned, [layer], [there], TUNING_EPOCHS, TUNING_RATE)
    return (
        tuned,
        layer.weight.detach().double().numpy().T,
        layer.bias.detach().double().numpy(),
    )
