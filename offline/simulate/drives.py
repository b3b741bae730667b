"""How many spikes a second each condition of each stimulus asks of each unit.

A unit's response to a picture is what its receptive field gives (``fields``)
times a factor of its own: log-normal, drawn for each unit and condition, the
part of tuning that no receptive field explains and that two mice therefore do
not share. It is scaled so that over the natural scenes the unit reaches its
mean evoked rate; the same scale holds for all stimuli, with a soft ceiling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offline.simulate.fields import responses
from offline.simulate.images import Float32Array
from offline.simulate.population import Population
from offline.simulate.stimuli import STIMULI

FLOOR = 0.02
"""Least mean response to scenes, so that a unit that hardly answers them is not blown up."""
CEILING = 12.0
"""Soft ceiling of a response, in units of the mean response to scenes."""
TEMPORAL_OCTAVES = 1.5
DIRECTION_TUNING = 0.35
GRATING_PRIVATE = 0.35
"""Private spread for gratings, as a share of that for pictures."""


def condition_drives(
    population: Population, stimuli: list[str], rng: np.random.Generator
) -> dict[str, Float32Array]:
    """Evoked rate of each unit in each condition.

    Parameters
    ----------
    population : Population
    stimuli : list of str
        Names in ``STIMULI``.
    rng : numpy.random.Generator
        Draws the private part.

    Returns
    -------
    dict of str to (units, conditions) float32
        Rate at the peak of the transient, Hz, before gain and adaptation.
    """
    scenes = _tuned(population, "natural_scenes", rng)
    scale = scenes.mean(1, keepdims=True) + FLOOR
    peak = (population.rate_hz * population.evoked / _mean_envelope(population))[:, None]
    drives = {}
    for name in stimuli:
        tuned = scenes if name == "natural_scenes" else _tuned(population, name, rng)
        relative = tuned / scale
        drives[name] = (peak * relative / (1 + relative / CEILING)).astype(np.float32)
    return drives


def _tuned(population: Population, name: str, rng: np.random.Generator) -> Float32Array:
    stimulus = STIMULI[name]
    tuned = responses(population.fields, stimulus.pictures())
    spread = population.private_sd
    if name.endswith("gratings"):
        spread = spread * GRATING_PRIVATE
    if name == "drifting_gratings":
        tuned = tuned * _motion_tuning(population, rng)
    noise = rng.standard_normal(tuned.shape, dtype=np.float32)
    factor = np.exp(spread[:, None] * noise - spread[:, None] ** 2 / 2)
    return (tuned * factor).astype(np.float32)


def _motion_tuning(population: Population, rng: np.random.Generator) -> NDArray[np.float64]:
    columns = STIMULI["drifting_gratings"].columns
    octaves = np.log2(columns["temporal_frequency"][None, :] / population.temporal_hz[:, None])
    speed = np.exp(-0.5 * (octaves / TEMPORAL_OCTAVES) ** 2)
    way = np.where(rng.random(len(population)) < 0.5, 0.0, np.pi) + population.fields.orientation
    along = np.cos(np.deg2rad(columns["orientation"])[None, :] - way[:, None])
    selectivity = DIRECTION_TUNING * rng.random((len(population), 1))
    tuning: NDArray[np.float64] = speed * (1 + selectivity * along)
    return tuning


def _mean_envelope(population: Population) -> NDArray[np.float64]:
    # Mean of the transient's course over a 250 ms presentation.
    fall = population.decay_s / 0.25 * (1 - np.exp(-0.25 / population.decay_s))
    course: NDArray[np.float64] = population.sustained + (1 - population.sustained) * fall
    return course
