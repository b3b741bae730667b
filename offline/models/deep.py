"""Deep networks: a CNN on the neural image, a shallow net, and its ensemble with LDA.

The neural image (Iqbal, Dong, Kim, Jang, IJCNN 2019) has units, sorted by area
and depth, along one side and time bins along the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.special import log_softmax
from torch import nn

from offline.models.calibration import Float64Array, fit_temperature, smoothed_loss
from offline.models.data import TrainingData
from offline.models.linear import (
    LinearClassifier,
    choose,
    constant,
    features,
    lda_maps,
)

Trunk = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; chosen once, on simulated mice that no report uses."""

    epochs: int = 60
    patience: int = 8
    batch: int = 128
    rate: float = 1e-3
    decay: float = 1e-2
    smoothing: float = 0.1


class Network(nn.Module):
    """Square roots of counts, standardised, as an image to a trunk; softmax at a temperature.

    The square root makes the variance of a Poisson count the same at every rate.
    """

    def __init__(self, trunk: nn.Module, data: TrainingData) -> None:
        super().__init__()
        x = np.sqrt(data.counts.astype(np.float64))
        scale = x.std(axis=0)
        self.centre = constant(x.mean(axis=0))
        self.scale = constant(np.where(scale > 0, scale, 1.0))
        self.order = nn.Parameter(torch.from_numpy(data.order.copy()), requires_grad=False)
        self.temperature = constant(np.ones(1))
        self.trunk = trunk

    def logits(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to logits (n, classes)."""
        z = (torch.sqrt(counts) - self.centre) / self.scale
        return self.trunk(z.index_select(2, self.order).unsqueeze(1)) / self.temperature

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        return torch.softmax(self.logits(counts), dim=1)


class Ensemble(nn.Module):
    """Weighted mean of the log probabilities of two members, at a temperature."""

    def __init__(
        self, first: nn.Module, second: nn.Module, weight: float, temperature: float
    ) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.weight = weight
        self.temperature = temperature

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        first = torch.log(self.first(counts) + 1e-12) * self.weight
        second = torch.log(self.second(counts) + 1e-12) * (1.0 - self.weight)
        return torch.softmax((first + second) / self.temperature, dim=1)


def shallow(bins: int, units: int, classes: int) -> nn.Module:
    """One hidden layer, with units dropped at the input."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(bins * units, 512),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(512, classes),
    )


def convolutional(bins: int, units: int, classes: int) -> nn.Module:
    """Two convolutions over the neural image (bins, units), then a linear layer."""
    body = nn.Sequential(
        nn.Conv2d(1, 12, (3, 7), stride=(1, 2), padding=(1, 3)),
        nn.GELU(),
        nn.Conv2d(12, 24, (3, 5), stride=(2, 2), padding=(1, 2)),
        nn.GELU(),
        nn.Flatten(),
        nn.Dropout(0.5),
    )
    with torch.no_grad():
        width = body(torch.zeros(1, 1, bins, units)).shape[1]
    body.append(nn.Linear(width, classes))
    return body


def raw_logits(net: Network, counts: NDArray[np.uint16]) -> Float64Array:
    """Logits of many windows, (n, classes) float64."""
    net.eval()
    device = net.centre.device
    with torch.inference_mode():
        parts = [
            net.logits(torch.from_numpy(part.astype(np.float32)).to(device)).cpu().numpy()
            for part in np.array_split(counts, max(len(counts) // 512, 1))
        ]
    return np.concatenate(parts).astype(np.float64)


def train_network(
    net: Network, data: TrainingData, held: TrainingData | None, epochs: int, recipe: Recipe
) -> int:
    """Train in place; how many epochs were best on ``held``, which stops training early."""
    net.to(data.device)
    x = torch.from_numpy(data.counts.astype(np.float32)).to(data.device)
    y = torch.from_numpy(data.codes).to(data.device)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    best, best_epoch, state = np.inf, epochs, net.state_dict()
    # Without a terminal, and on a cluster, nobody watches.
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("training", total=epochs)
        for epoch in range(1, epochs + 1):
            _epoch(net, x, y, optimiser, recipe)
            progress.update(bar, advance=1)
            if held is None:
                continue
            logits = raw_logits(net, held.counts)
            loss = smoothed_loss(logits, held.codes)
            right = (logits.argmax(axis=1) == held.codes).mean()
            progress.update(bar, description=f"training, {right:.1%} right")
            if loss < best:
                best, best_epoch = loss, epoch
                state = {name: value.clone() for name, value in net.state_dict().items()}
            elif epoch - best_epoch >= recipe.patience:
                break
    if held is not None:
        net.load_state_dict(state)
    return best_epoch


def _epoch(
    net: Network,
    x: torch.Tensor,
    y: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
) -> None:
    """Once through the trials in a new order."""
    net.train()
    for rows in torch.randperm(len(y)).chunk(max(len(y) // recipe.batch, 1)):
        rows_there = rows.to(y.device)
        loss = nn.functional.cross_entropy(
            net.logits(x[rows_there]), y[rows_there], label_smoothing=recipe.smoothing
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()


def _fit(
    data: TrainingData, seed: int, trunk: Trunk, recipe: Recipe
) -> tuple[Network, Float64Array, TrainingData]:
    """A network on all trials, for as many epochs as were best with the last group left out.

    Also gives the logits of the left-out group from before, and that group.
    """
    bins, units = data.counts.shape[1:]
    fitted, held = data.inner_folds()[-1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        probe = Network(trunk(bins, units, data.n_classes), fitted)
        epochs = train_network(probe, fitted, held, recipe.epochs, recipe)
        logits = raw_logits(probe, held.counts)
        torch.manual_seed(seed)
        net = Network(trunk(bins, units, data.n_classes), data)
        train_network(net, data, None, epochs, recipe)
    net = net.cpu()
    net.temperature.data.fill_(fit_temperature(logits, held.codes))
    return net, logits, held


def fit_shallow(data: TrainingData, seed: int = 0) -> Network:
    """A net of one hidden layer."""
    return _fit(data, seed, shallow, Recipe())[0]


def fit_cnn(data: TrainingData, seed: int = 0) -> Network:
    """A CNN on the neural image."""
    return _fit(data, seed, convolutional, Recipe())[0]


def fit_ensemble(data: TrainingData, seed: int = 0) -> Ensemble:
    """LDA and a shallow net; their weight and temperature from the left-out group."""
    net, logits, held = _fit(data, seed, shallow, Recipe())
    fitted, _ = data.inner_folds()[-1]
    best, _ = choose(data, lda_maps)
    linear = lda_maps(features(fitted), fitted.codes, data.n_classes)[best].logits(features(held))
    weight, temperature, scales = _blend(linear, logits, held.codes)
    chosen = lda_maps(features(data), data.codes, data.n_classes)[best]
    lda = LinearClassifier(chosen.weight, chosen.bias, scales[0])
    net.temperature.data.fill_(scales[1])
    return Ensemble(lda, net, weight, temperature)


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
