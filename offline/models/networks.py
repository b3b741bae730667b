"""What networks are made of: a CNN on the neural image, a GRU over bins, shallow nets.

The neural image (Iqbal, Dong, Kim, Jang, IJCNN 2019) has units, sorted by area
and depth, along one side and time bins along the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from offline.models.calibration import Float64Array, Sharpness, sharpened
from offline.models.data import TrainingData
from offline.models.grey_lda import ANSCOMBE
from offline.models.linear import LinearMap, constant

Trunk = Callable[[int, int, int], nn.Module]


def network_input(data: TrainingData, whole: bool) -> NDArray[np.float64]:
    """Square roots of counts, (n, bins, units), or of whole windows, (n, 1, units)."""
    counts = data.counts.sum(axis=1, keepdims=True) if whole else data.counts
    found: NDArray[np.float64] = np.sqrt(counts.astype(np.float64) + ANSCOMBE)
    return found


class Network(nn.Module):
    """Square roots of counts, standardised, as an image to a trunk; softmax, calibrated.

    The square root makes the variance of a Poisson count the same at every rate.

    Parameters
    ----------
    trunk : nn.Module
        Takes (n, 1, bins, units), gives logits (n, classes).
    data : TrainingData
        Standardises the input.
    whole : bool
        Add up the bins first.
    """

    def __init__(self, trunk: nn.Module, data: TrainingData, whole: bool = False) -> None:
        super().__init__()
        x = network_input(data, whole)
        scale = x.std(axis=0)
        self.centre = constant(x.mean(axis=0))
        self.scale = constant(np.where(scale > 0, scale, 1.0))
        self.order = nn.Parameter(torch.from_numpy(data.order.copy()), requires_grad=False)
        self.temperature = constant(np.ones(1))
        self.power = constant(np.zeros(1))
        self.trunk = trunk
        self.whole = whole
        self.offset = ANSCOMBE

    def logits(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to logits (n, classes)."""
        if self.whole:
            counts = counts.sum(dim=1, keepdim=True)
        z = (torch.sqrt(counts + self.offset) - self.centre) / self.scale
        return self.trunk(z.index_select(2, self.order).unsqueeze(1)) / self.temperature

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        return torch.softmax(sharpened(self.logits(counts), self.power), dim=1)

    def calibrate(self, sharpness: Sharpness) -> None:
        """Give probabilities at this temperature and power from now on."""
        self.temperature.data.fill_(sharpness.temperature)
        self.power.data.fill_(sharpness.power)

    def of_standardised(self, one: LinearMap) -> tuple[Float64Array, Float64Array]:
        """A map of whole-window roots as weight (classes, units) and bias of a trunk's input."""
        centre = self.centre.detach().cpu().double().numpy()[0]
        scale = self.scale.detach().cpu().double().numpy()[0]
        order = self.order.detach().cpu().numpy()
        return (one.weight * scale)[:, order], one.bias + one.weight @ centre


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


def linear(bins: int, units: int, classes: int) -> nn.Module:
    """One linear layer: what an ensemble is distilled into."""
    return nn.Sequential(nn.Flatten(), nn.Linear(bins * units, classes))


class Residual(nn.Module):
    """A linear layer that begins as LDA, and a hidden layer that begins as nothing beside it."""

    def __init__(self, bins: int, units: int, classes: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.skip = nn.Linear(bins * units, classes)
        last = nn.Linear(512, classes)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(nn.Linear(bins * units, 512), nn.GELU(), nn.Dropout(0.5), last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image (n, 1, bins, units) to logits (n, classes)."""
        z = self.drop(image.flatten(1))
        return self.skip(z) + self.body(z)


class Recurrent(nn.Module):
    """A GRU over time bins."""

    def __init__(self, bins: int, units: int, classes: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Dropout(0.3), nn.Linear(units, 192), nn.GELU())
        self.gru = nn.GRU(192, 192, batch_first=True)
        self.leave = nn.Sequential(nn.Dropout(0.5), nn.Linear(192, classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image (n, 1, bins, units) to logits (n, classes)."""
        steps, _ = self.gru(self.enter(image.squeeze(1)))
        return self.leave(steps.mean(dim=1))


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
