"""How many spikes a second each condition of each stimulus asks of each unit.

A unit's response to a picture is what its receptive field gives (``fields``)
times a factor of its own: log-normal, drawn for each unit and condition, the
part of tuning that no receptive field explains and that two mice therefore do
not share. The sustained response has more of it than the transient: the first
volley is stereotyped, what follows in the network is each animal's own (Jana
2026: mice agree most 100 ms after onset and less later). Gratings leave less of
it than pictures (two mice agree at 0.720 about gratings, at 0.314 about scenes).
Its spread (``population.PRIVATE_SD`` and the shares here) was set on those two
numbers. The response is scaled so that over the natural scenes the unit reaches
its mean evoked rate; the same scale holds for all stimuli, with a soft ceiling.

Moving gratings: log-Gaussian tuning for temporal frequency, and a weak
preference for one of the two directions (Niell and Stryker 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.simulate.fields import responses
from offline.simulate.images import Float32Array
from offline.simulate.population import Population
from offline.simulate.spikes import VOLLEY_DECAY_S, VOLLEY_RECOVERY_S
from offline.simulate.stimuli import STIMULI

FLOOR = 0.02
"""Least mean response to scenes, so that a unit that hardly answers them is not blown up."""
CEILING = 20.0
"""Soft ceiling of a response, in units of the mean response to scenes."""
VOLLEY_SHARE = 0.1
"""Share of the evoked spikes, during scenes, that the first volley makes."""
PRESENTATION_S = 0.25
TEMPORAL_OCTAVES = 1.5
DIRECTION_TUNING = 0.35
EARLY_PRIVATE = 0.45
"""Private spread of the transient, as a share of the sustained response's."""
GRATING_PRIVATE = 0.4
"""Private spread for gratings, as a share of that for pictures."""


@dataclass(frozen=True, eq=False)
class Drives:
    """Evoked rates, each (units, conditions) float32, Hz before gain.

    Attributes
    ----------
    transient : at the response's onset, if it rose at once
    sustained : what the response decays to
    volley_hz : (units,) float64, first volley after a long time of grey
    """

    volley_hz: NDArray[np.float64]
    transient: Float32Array
    sustained: Float32Array


def condition_drives(
    population: Population, stimuli: list[str], rng: np.random.Generator
) -> Drives:
    """Evoked rate of each unit in each condition of these stimuli, side by side.

    Parameters
    ----------
    population : Population
    stimuli : list of str
        Names in ``STIMULI``.
    rng : numpy.random.Generator
        Draws the private part.

    Returns
    -------
    Drives
    """
    scenes = responses(population.fields, STIMULI["natural_scenes"].pictures())
    scale = scenes.mean(1, keepdims=True) + FLOOR
    evoked = population.rate_hz * population.evoked
    peak = ((1 - VOLLEY_SHARE) * evoked / _mean_course(population))[:, None]
    recovered = 1 - np.exp(-PRESENTATION_S / VOLLEY_RECOVERY_S)
    transient, sustained = [], []
    for name in stimuli:
        early, late = _tuned(population, name, scale, rng)
        transient.append(peak * early)
        sustained.append(peak * population.sustained[:, None] * late)
    return Drives(
        volley_hz=VOLLEY_SHARE * evoked * PRESENTATION_S / (VOLLEY_DECAY_S * recovered),
        transient=np.concatenate(transient, axis=1, dtype=np.float32),
        sustained=np.concatenate(sustained, axis=1, dtype=np.float32),
    )


def _tuned(
    population: Population,
    name: str,
    scale: Float32Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Early and late response to each picture over the mean response to scenes."""
    tuned = responses(population.fields, STIMULI[name].pictures()) / scale
    if name == "drifting_gratings":
        tuned = tuned * _motion_tuning(population, rng)
    share = GRATING_PRIVATE if name.endswith("gratings") else 1.0
    spread = share * population.private_sd
    noise = rng.standard_normal(tuned.shape, dtype=np.float32)
    early = _soft(tuned * _factor(EARLY_PRIVATE * spread, noise))
    return early, _soft(tuned * _factor(spread, noise))


def _soft(relative: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return relative / (1 + relative / CEILING)


def _factor(spread: NDArray[np.float64], noise: Float32Array) -> NDArray[np.float64]:
    # Log-normal of mean 1.
    factor: NDArray[np.float64] = np.exp(spread[:, None] * noise - spread[:, None] ** 2 / 2)
    return factor


def _motion_tuning(population: Population, rng: np.random.Generator) -> NDArray[np.float64]:
    columns = STIMULI["drifting_gratings"].columns
    octaves = np.log2(columns["temporal_frequency"][None, :] / population.temporal_hz[:, None])
    speed = np.exp(-0.5 * (octaves / TEMPORAL_OCTAVES) ** 2)
    way = np.where(rng.random(len(population)) < 0.5, 0.0, np.pi) + population.fields.orientation
    along = np.cos(np.deg2rad(columns["orientation"])[None, :] - way[:, None])
    selectivity = DIRECTION_TUNING * rng.random((len(population), 1))
    tuning: NDArray[np.float64] = speed * (1 + selectivity * along)
    return tuning


def _mean_course(population: Population) -> NDArray[np.float64]:
    # Mean of the transient's course over a 250 ms presentation.
    fall = population.decay_s / PRESENTATION_S * (1 - np.exp(-PRESENTATION_S / population.decay_s))
    course: NDArray[np.float64] = population.sustained + (1 - population.sustained) * fall
    return course
