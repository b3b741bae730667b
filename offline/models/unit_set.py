"""A network over a set of units, whichever and however many they are.

Each unit enters by its features (``offline.unit_features``): a network that all
animals share turns them into weights, the weighted responses of the units add
up, and a second shared network reads the sums (deep sets: Zaheer and others
2017; weights made by a network: Ha, Dai, Le 2017). For an animal's own units
the weights are fixed numbers, so a live window costs one matrix product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from offline.models.linear import constant

SUMS = 24
HIDDEN = 64
BENT = 3
# Of a unit: each bin, and the whole window above 0.5 and 2 and below 0 standard deviations.


class UnitSetTrunk(nn.Module):
    """What animals share.

    Parameters
    ----------
    features : (units, features) float32
        Of the animals it is trained on; they standardise features.
    bins : int
    classes : int
    """

    def __init__(self, features: NDArray[np.float32], bins: int, classes: int) -> None:
        super().__init__()
        self.sums = SUMS
        self.bases = bins + BENT
        self.centre = constant(np.nanmean(features, axis=0))
        self.scale = constant(np.nanstd(features, axis=0) + 0.05)
        self.weigh = nn.Sequential(
            nn.Linear(features.shape[1], HIDDEN),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(HIDDEN, self.bases * SUMS),
        )
        self.read = nn.Sequential(
            nn.LayerNorm(SUMS),
            nn.Linear(SUMS, HIDDEN),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, classes),
        )

    def weights(self, features: torch.Tensor) -> torch.Tensor:
        """Features (units, features) to weights (units * bases, sums)."""
        z = torch.nan_to_num((features - self.centre) / self.scale, nan=0.0)
        found = self.weigh(torch.clamp(z, -4.0, 4.0)) / features.shape[0] ** 0.5
        return found.view(-1, self.sums)

    def forward(self, features: torch.Tensor, bases: torch.Tensor) -> torch.Tensor:
        """Features (units, features) and bases (n, units * bases) to logits (n, classes)."""
        return self.read(bases @ self.weights(features))


def bases_of(counts: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Standardised counts, and their sum beyond the kinks, (n, units * bases)."""
    z = torch.clamp((counts - centre) / scale, -6.0, 6.0)
    whole = z.sum(dim=1) / z.shape[1] ** 0.5
    bent = [torch.relu(whole - 0.5), torch.relu(whole - 2.0), torch.relu(-whole)]
    return torch.cat([z.transpose(1, 2), torch.stack(bent, dim=2)], dim=2).flatten(1)


class UnitSetClassifier(nn.Module):
    """The shared network with one animal's units in it.

    Parameters
    ----------
    shared : nn.Module
        `UnitSetTrunk`, or one that was read back from a bundle.
    features : (units, features) float32
    centre, scale : (bins, units) float32
        Mean and spread of the animal's counts, from windows without labels.
    temperature : float
    """

    def __init__(
        self,
        shared: Any,
        features: NDArray[np.float32],
        centre: NDArray[np.float32],
        scale: NDArray[np.float32],
        temperature: float,
    ) -> None:
        super().__init__()
        self.shared = shared
        with torch.no_grad():
            weights = shared.weights(torch.from_numpy(features))
        self.weights = nn.Parameter(weights, requires_grad=False)
        self.centre = nn.Parameter(torch.from_numpy(centre), requires_grad=False)
        self.scale = nn.Parameter(torch.from_numpy(scale), requires_grad=False)
        self.temperature = temperature

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        sums = bases_of(counts, self.centre, self.scale) @ self.weights
        return torch.softmax(self.shared.read(sums) / self.temperature, dim=1)
