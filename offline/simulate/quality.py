"""Units that fail the quality filter, and the metrics that say so.

Allen's default filter asks for amplitude_cutoff <= 0.1, presence_ratio >= 0.95
and isi_violations <= 0.5; about 60 % of the units of a session fail it. Here a
failing unit has what the metric stands for: spikes missed because they are too
small, a part of the session without the unit, or the spikes of a neighbour and
double detections mixed in. Presence ratio and isi_violations are then measured
on the spikes (Hill, Mehta and Kleinfeld 2011, "Quality metrics to accompany
spike sorting"; ``ecephys_spike_sorting``: 100 bins, 1.5 ms).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFF_SHARE, ABSENT_SHARE, MIXED_SHARE = 0.50, 0.35, 0.40
NOISE_SHARE = 0.03
"""Share of all units, among the failing ones, whose waveform is called noise."""
ISI_THRESHOLD_S = 0.0015
PRESENCE_BINS = 100

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Flaws:
    """What is wrong with each unit; arrays are (units,).

    Attributes
    ----------
    amplitude_cutoff : float64
        Share of spikes missed; the rate has been lowered for it already.
    active : (units, 2) float64
        From and to when the unit is there, as shares of the session.
    mixed : float64
        Share of a neighbour's spikes that is mixed in; 0 for a clean unit.
    doubles : float64
        isi_violations that double detections add.
    is_noise : bool
        Whether the waveform is no neuron's.
    """

    amplitude_cutoff: FloatArray
    active: FloatArray
    mixed: FloatArray
    doubles: FloatArray
    is_noise: NDArray[np.bool_]


def draw_flaws(passes: NDArray[np.bool_], rng: np.random.Generator) -> Flaws:
    """Draw flaws, one at least for each unit that is to fail the filter."""
    n = len(passes)
    shares = np.array([CUTOFF_SHARE, ABSENT_SHARE, MIXED_SHARE])
    flawed = rng.random((n, 3)) < shares
    without = ~flawed.any(1)
    flawed[without, rng.choice(3, int(without.sum()), p=shares / shares.sum())] = True
    flawed &= ~passes[:, None]
    cut, absent, mixed = flawed.T
    return Flaws(
        np.where(cut, rng.uniform(0.11, 0.5, n), 0.1 * rng.beta(1.0, 3.0, n)),
        _active(absent, rng),
        np.where(mixed, rng.uniform(0.3, 1.0, n), 0.0),
        np.where(mixed, 0.6 + rng.exponential(0.8, n), 0.0),
        ~passes & (rng.random(n) < NOISE_SHARE / max((~passes).mean(), 0.01)),
    )


def _active(absent: NDArray[np.bool_], rng: np.random.Generator) -> FloatArray:
    present = rng.uniform(0.3, 0.9, len(absent))
    start = np.where(rng.random(len(absent)) < 0.5, 0.0, 1 - present)
    late = np.where(absent, start, 0.0)
    return np.stack([late, np.where(absent, start + present, 1.0)], axis=1)


def isi_violations(times_s: FloatArray, duration_s: float) -> float:
    """Rate of spikes that break the refractory period, over the unit's rate."""
    if len(times_s) < 2:
        return 0.0
    broken = int((np.diff(times_s) < ISI_THRESHOLD_S).sum())
    rate = len(times_s) / duration_s
    return broken / (2 * len(times_s) * ISI_THRESHOLD_S) / rate


def presence_ratio(times_s: FloatArray, duration_s: float) -> float:
    """Share of 100 equal parts of the session in which the unit fired."""
    parts = (times_s / duration_s * PRESENCE_BINS).astype(int)
    return len(np.unique(np.clip(parts, 0, PRESENCE_BINS - 1))) / PRESENCE_BINS


def double_detections(
    times_s: FloatArray, violations: float, duration_s: float, rng: np.random.Generator
) -> FloatArray:
    """The spikes together with as many double detections as give these isi_violations."""
    rate = len(times_s) / duration_s
    share = min(violations * 2 * ISI_THRESHOLD_S * rate, 0.5)
    again = times_s[rng.random(len(times_s)) < share]
    return np.concatenate([times_s, again + rng.uniform(0.0004, 0.0014, len(again))])


def waveform_metrics(
    fast_spiking: NDArray[np.bool_], passes: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Waveform measures by Allen's names, each (units,) float64.

    Trough to peak is under 0.4 ms in fast-spiking units, over it in the rest.
    """
    n = len(passes)
    slow = np.clip(rng.normal(0.62, 0.10, n), 0.41, 1.1)
    quick = np.clip(rng.normal(0.27, 0.05, n), 0.12, 0.39)
    duration = np.where(fast_spiking, quick, slow)
    return {
        "waveform_duration": duration,
        "waveform_halfwidth": np.clip(0.3 * duration + rng.normal(0, 0.02, n), 0.05, 0.5),
        "PT_ratio": np.exp(rng.normal(np.where(fast_spiking, -0.2, -0.8), 0.3)),
        "snr": np.where(passes, 2.0, 1.2) * np.exp(0.4 * rng.standard_normal(n)),
        "amplitude": np.where(passes, 120.0, 80.0) * np.exp(0.4 * rng.standard_normal(n)),
    }
