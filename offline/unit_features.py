"""What can be told of a unit without any label: features that animals share.

Where it sits, the width of its spike, and how it behaves: rate, time course
after any onset, how its counts are distributed and how they hang together in
time and with other units. A unit that answers few pictures strongly has skewed
counts; one that answers whatever is shown has not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offline.models.calibration import Float64Array
from rtdecode.session.model import Units

AREAS = (
    *("VISp", "VISl", "VISal", "VISam", "VISpm", "VISrl", "VIS"),
    *("LGd", "LP", "CA1", "CA3", "DG", "SUB"),
)
WAVEFORM = ("waveform_duration", "waveform_halfwidth", "PT_ratio")
LAGS = (1, 2, 5)
# Windows that are looked at: stretches of successive ones, evenly spread.
STRETCHES, STRETCH = 12, 250
SLOW = 50


def unit_features(
    counts: NDArray[np.uint16], grey: NDArray[np.uint16], units: Units
) -> NDArray[np.float32]:
    """Features of every unit.

    Parameters
    ----------
    counts : (n, bins, units) uint16
        Windows after onsets of whatever was shown, in order of time.
    grey : (m, bins, units) uint16
        Windows without a stimulus; may be none.
    units : Units

    Returns
    -------
    (units, features) float32
        NaN where a recording does not tell.
    """
    some = counts[_stretches(len(counts))]
    x = some.sum(axis=1).astype(np.float64)
    place = np.stack([_depth(units), *(_metric(units, name) for name in WAVEFORM)], axis=1)
    areas = np.array([units.areas == area for area in AREAS], np.float64).T
    parts = [_distribution(x), _coupling(x, units.areas), _course(some), _rest(x, grey)]
    return np.concatenate([*parts, place, areas], axis=1).astype(np.float32)


def _stretches(n: int) -> NDArray[np.int64]:
    """Rows of successive windows in evenly spread stretches."""
    if n <= STRETCHES * STRETCH:
        return np.arange(n)
    starts = np.linspace(0, n - STRETCH, STRETCHES).astype(np.int64)
    return (starts[:, None] + np.arange(STRETCH)).ravel()


def _distribution(x: Float64Array) -> Float64Array:
    """Rate, spread, skewness, tail, silence, memory and slow change of counts (n, units)."""
    mean, variance = x.mean(axis=0), x.var(axis=0)
    z = (x - mean) / (np.sqrt(variance) + 1e-3)
    memory = [3 * (z[:-lag] * z[lag:]).mean(axis=0) for lag in LAGS]
    whole = z[: max(len(z) // SLOW, 1) * SLOW]
    slow = whole.reshape(-1, min(SLOW, len(whole)), z.shape[1]).mean(axis=1).var(axis=0)
    columns = [
        np.log(mean + 0.02),
        np.log(variance / (mean + 0.02) + 0.1),
        np.tanh((z**3).mean(axis=0) / 2),
        np.tanh((z**4).mean(axis=0) / 10),
        (x == 0).mean(axis=0),
        np.log(slow + 0.01),
        *memory,
    ]
    return np.stack(columns, axis=1)


def _coupling(x: Float64Array, areas: NDArray[np.str_]) -> Float64Array:
    """Correlation with the mean of all units and of the unit's area, (units, 2)."""
    z = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    with_area = np.zeros(x.shape[1])
    for area in np.unique(areas):
        mine = areas == area
        with_area[mine] = _correlation(z[:, mine], z[:, mine].mean(axis=1))
    return 3 * np.stack([_correlation(z, z.mean(axis=1)), with_area], axis=1)


def _correlation(z: Float64Array, with_what: Float64Array) -> Float64Array:
    found: Float64Array = with_what @ z / len(z) / (with_what.std() + 1e-6)
    return found


def _course(counts: NDArray[np.uint16]) -> Float64Array:
    """Mean count in each bin against the mean over bins, (units, bins)."""
    mean = counts.mean(axis=0, dtype=np.float64)
    found: Float64Array = (2 * (mean - mean.mean(axis=0)) / (np.sqrt(mean.mean(axis=0)) + 0.05)).T
    return found


def _rest(x: Float64Array, grey: NDArray[np.uint16]) -> Float64Array:
    """How the rate and spread after onsets stand to those in grey, (units, 2)."""
    if len(grey) == 0:
        return np.full((x.shape[1], 2), np.nan)
    still = grey.sum(axis=1).astype(np.float64)
    rate = np.log((x.mean(axis=0) + 0.1) / (still.mean(axis=0) + 0.1))
    spread = np.log((x.var(axis=0) + 0.05) / (still.var(axis=0) + 0.05))
    return np.stack([rate, spread], axis=1)


def _depth(units: Units) -> Float64Array:
    """Height above the middle of the unit's area on its probe, millimetres."""
    found = np.full(len(units), np.nan)
    for probe, area in set(zip(units.probes.tolist(), units.areas.tolist(), strict=True)):
        mine = (units.probes == probe) & (units.areas == area)
        heights = units.depths_um[mine]
        if np.isfinite(heights).any():
            found[mine] = (heights - np.nanmedian(heights)) / 1000
    return found


def _metric(units: Units, name: str) -> Float64Array:
    """A waveform measure; NaN where the session has none."""
    return np.asarray(units.metrics.get(name, np.full(len(units), np.nan)), np.float64)
