"""Probes A to F and their channels: where each unit's peak channel lies.

A Neuropixels 1.0 probe records from 384 channels, 20 um apart in pairs, over
3.84 mm. From the tip up it passes through thalamus, hippocampus and cortex;
the uppermost channels lie outside the brain and carry no area. Within VISp,
layers 2/3, 4, 5 and 6 hold 24, 23, 28 and 10 % of the units (Allen's Visual
Coding - Neuropixels; here as shares of one another); the depths of the layers
are those of a cortex of 0.9 mm. How many channels lie in which region is set,
not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.simulate.areas import AREAS, DEPTH_ORDER, UNNAMED_CORTEX

CHANNELS = 384
CHANNEL_PITCH_UM = 20.0
HORIZONTAL_UM = (43.0, 11.0, 59.0, 27.0)
OUT_OF_BRAIN_CHANNELS = 44
# Channels of cortex, hippocampus and thalamus, from the top down.
REGION_CHANNELS = (90, 130, 120)

# Share of a cortical column's depth, from the surface, and of its units.
LAYER_EDGES = np.array([0.0, 0.10, 0.35, 0.50, 0.76, 1.0])
LAYER_SHARES = np.array([0.05, 0.26, 0.25, 0.31, 0.13])


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of one mouse, probe after probe, from the tip up.

    Attributes
    ----------
    probe : (channels,) str
        ``probeA`` to ``probeF``.
    number : (channels,) int64
        0 at the tip.
    area : (channels,) str
        Empty outside the brain and between areas.
    """

    probe: NDArray[np.str_]
    number: NDArray[np.int64]
    area: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def vertical_um(self) -> NDArray[np.float64]:
        """Height above the tip, (channels,) micrometres."""
        return CHANNEL_PITCH_UM * (1 + self.number // 2)

    @property
    def horizontal_um(self) -> NDArray[np.float64]:
        """Place across the shank, (channels,) micrometres."""
        return np.array(HORIZONTAL_UM)[self.number % 4]


def lay_probes(letters: str, areas: list[str]) -> Channels:
    """Channels of the probes with these letters, in an animal with these areas in reach."""
    labels = [_areas_along(letter, areas) for letter in letters]
    return Channels(
        np.repeat([f"probe{letter}" for letter in letters], CHANNELS),
        np.tile(np.arange(CHANNELS), len(letters)),
        np.concatenate(labels),
    )


def _areas_along(letter: str, areas: list[str]) -> NDArray[np.str_]:
    labels = np.full(CHANNELS, "", dtype="U8")
    top = CHANNELS - OUT_OF_BRAIN_CHANNELS
    for region, channels in zip(DEPTH_ORDER, REGION_CHANNELS, strict=True):
        met = [area for area in region if area in areas and letter in AREAS[area].probes]
        if len(met) > 1 and UNNAMED_CORTEX in met:
            met.remove(UNNAMED_CORTEX)
        bounds = np.linspace(top, top - channels, len(met) + 1).astype(int)
        for area, high, low in zip(met, bounds[:-1], bounds[1:], strict=True):
            labels[low:high] = area
        top -= channels
    return labels


def place_units(
    area: str, count: int, channels: Channels, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row of each unit's peak channel in ``channels``, (count,) int64."""
    rows = np.flatnonzero(channels.area == area)
    if not area.startswith("VIS"):
        return rng.choice(rows, count)
    layer = rng.choice(len(LAYER_SHARES), count, p=LAYER_SHARES)
    depth = rng.uniform(LAYER_EDGES[layer], LAYER_EDGES[layer + 1])
    return rows[((1 - depth) * (len(rows) - 1)).astype(int)]
