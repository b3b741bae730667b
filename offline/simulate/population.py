"""One mouse's units, drawn from the law that all mice share.

Every mouse is another sample: which areas its probes meet, how many units
each, and every unit's rate, receptive field and time course are drawn anew
from the areas' laws (``areas``). Nothing of a mouse is kept for the next, so
what two mice share is what receptive fields share.

Laws
----
- Areas are met or missed by chance, each for itself (``areas``).
- Units of an area: gamma about its mean, coefficient of variation 0.4 (VISp:
  14 to 110 units about a mean of 63); about 40 % of all units pass the quality
  filter (40,010 of 99,180 in Allen's Visual Coding - Neuropixels).
- Rate during scenes: log-normal (Buzsaki and Mizuseki 2014, "The log-dynamic
  brain"), sigma 0.8 (natural log), about the area's median; units that fail the
  filter fire at 0.55 of it.
- Four fifths of a responding unit's spikes during scenes are evoked (beta).
- 17 % of cortical units are fast-spiking (trough to peak under 0.4 ms): twice
  the rate, less of what no receptive field explains (Jana 2026, who found that
  they carry 1.9 times the shared signal of the others).
- Response: nothing until the latency (shifted log-normal; Siegle et al. 2021),
  then a rise (time constant 10-28 ms) to a transient that decays to a sustained
  level (``areas`` for latency and decay).
- Preferred temporal frequency: log-normal about 2 Hz (Niell and Stryker 2008).
- Refractory period: 1 ms in fast-spiking units, 1.2 to 3 ms in the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.simulate.areas import AREAS, UNNAMED_CORTEX, VISUAL_CORTEX
from offline.simulate.fields import Fields, draw_fields, draw_place
from offline.simulate.probes import Channels, lay_probes, place_units
from offline.simulate.profiles import Profile

PASSING_SHARE = 0.40
COUNT_VARIATION = 0.4
LARGEST_COUNT = 1.75
RATE_SIGMA = 0.8
FAILING_RATE = 0.55
RISE_MS = 10.0, 28.0
EVOKED_A, EVOKED_B = 8.0, 2.0
FAST_SPIKING_SHARE = 0.17
FAST_SPIKING_RATE = 2.0
EARLIEST_ONSET_MS = 34.0
ONSET_SPREAD = 0.5
PRIVATE_SD = 0.50
FAST_SPIKING_PRIVATE = 0.45

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """The units of one mouse before any filter; arrays are (units,).

    Attributes
    ----------
    channels : Channels
    area : str
    channel : int64
        Row of the peak channel in ``channels``.
    passes : bool
        Whether the unit passes Allen's default quality filter.
    fast_spiking : bool
    rate_hz : float64
        Mean rate during scenes.
    evoked : float64
        Share of that rate that the pictures drive; 0 for units that do not see.
    fields : Fields
    private_sd : float64
        Spread, natural log, of tuning that no receptive field explains.
    latency_s, rise_s, decay_s : float64
    sustained : float64
        Sustained over transient response.
    temporal_hz : float64
        Preferred temporal frequency.
    refractory_s : float64
    """

    channels: Channels
    area: NDArray[np.str_]
    channel: NDArray[np.int64]
    passes: NDArray[np.bool_]
    fast_spiking: NDArray[np.bool_]
    rate_hz: FloatArray
    evoked: FloatArray
    fields: Fields
    private_sd: FloatArray
    latency_s: FloatArray
    rise_s: FloatArray
    decay_s: FloatArray
    sustained: FloatArray
    temporal_hz: FloatArray
    refractory_s: FloatArray

    def __len__(self) -> int:
        return len(self.area)


def draw_population(profile: Profile, rng: np.random.Generator) -> Population:
    """Draw one mouse's units."""
    areas = _draw_areas(profile, rng)
    channels = lay_probes(profile.probes, areas)
    place = draw_place(rng)
    counts = [_draw_count(AREAS[area].units * profile.unit_share, rng) for area in areas]
    names = np.repeat(areas, counts)
    groups = [_draw_fields(area, n, place, rng) for area, n in zip(areas, counts, strict=True)]
    channel = [place_units(area, n, channels, rng) for area, n in zip(areas, counts, strict=True)]
    passes = rng.random(len(names)) < np.clip(
        PASSING_SHARE + 0.04 * rng.standard_normal(), 0.3, 0.5
    )
    cortical = np.char.startswith(names, "VIS")
    fast = cortical & (rng.random(len(names)) < FAST_SPIKING_SHARE)
    return Population(
        channels,
        names,
        np.concatenate(channel),
        passes,
        fast,
        _draw_rates(names, passes, fast, rng),
        _draw_evoked(names, rng),
        _join(groups),
        PRIVATE_SD * _law(names, "private") * np.where(fast, FAST_SPIKING_PRIVATE, 1.0),
        _draw_latencies(names, rng),
        1e-3 * rng.uniform(*RISE_MS, len(names)),
        1e-3 * _law(names, "decay_ms") * np.exp(0.3 * rng.standard_normal(len(names))),
        rng.beta(3.0, 5.0, len(names)),
        np.clip(2.0 * 2.0 ** rng.standard_normal(len(names)), 0.5, 12.0),
        1e-3 * np.where(fast, 1.0, rng.uniform(1.2, 3.0, len(names))),
    )


def _draw_areas(profile: Profile, rng: np.random.Generator) -> list[str]:
    if profile.areas is not None:
        return list(profile.areas)
    met = [name for name, area in AREAS.items() if rng.random() < area.presence]
    return met if set(VISUAL_CORTEX) <= set(met) else [*met, UNNAMED_CORTEX]


def _draw_count(mean_passing: float, rng: np.random.Generator) -> int:
    shape = COUNT_VARIATION**-2
    passing = mean_passing * min(rng.gamma(shape, 1 / shape), LARGEST_COUNT)
    return max(round(passing / PASSING_SHARE), 8)


def _draw_fields(
    area: str, count: int, place: tuple[float, float], rng: np.random.Generator
) -> Fields:
    scale = AREAS[area].field_scale
    is_cortex = area.startswith("VIS")
    return draw_fields(count, scale, is_cortex or area == "LP", place, rng)


def _join(groups: list[Fields]) -> Fields:
    names = list(vars(groups[0]))
    return Fields(*(np.concatenate([getattr(group, name) for group in groups]) for name in names))


def _law(names: NDArray[np.str_], what: str) -> FloatArray:
    return np.array([getattr(AREAS[name], what) for name in names], float)


def _draw_rates(
    names: NDArray[np.str_],
    passes: NDArray[np.bool_],
    fast: NDArray[np.bool_],
    rng: np.random.Generator,
) -> FloatArray:
    rates = _law(names, "rate_hz") * np.exp(RATE_SIGMA * rng.standard_normal(len(names)))
    rates *= np.where(passes, 1.0, FAILING_RATE) * np.where(fast, FAST_SPIKING_RATE, 1.0)
    return np.clip(rates, 0.02, 60.0)


def _draw_evoked(names: NDArray[np.str_], rng: np.random.Generator) -> FloatArray:
    responds = rng.random(len(names)) < _law(names, "responsive")
    return np.where(responds, rng.beta(EVOKED_A, EVOKED_B, len(names)), 0.0)


def _draw_latencies(names: NDArray[np.str_], rng: np.random.Generator) -> FloatArray:
    # Shifted log-normal: skewed to the late side, as first-spike latencies are.
    beyond = np.maximum(_law(names, "onset_ms") - EARLIEST_ONSET_MS, 1.0)
    drawn = beyond * np.exp(ONSET_SPREAD * rng.standard_normal(len(names)))
    return 1e-3 * (EARLIEST_ONSET_MS + drawn)
