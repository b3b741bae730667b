"""Nine published statistics of the real mice, and whether simulated ones meet them.

Sources: AllenSDK's ecephys quick start (RBF-SVM; rate); Carpenter, Vita and
Pipiras, CCN 2024 (logistic regression); Jana 2026 (geometry: ``geometry``);
Siegle et al. 2021 (first spikes: ``first_spikes``). The tolerances were fixed
before the simulator was tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.geometry import consistency
from benchmarks.simulated_mouse import MouseFigures
from rtdecode.errors import UserError

CHANCE = 1 / 119
AREA_ORDER = ("LGd", "VISp", "VISl", "VISal", "VISrl", "VISam", "VISpm")
NOTHING_MS, NOTHING_BELOW = 30, 0.02
PEAK_MS, PEAK_TOLERANCE_MS = 100, 20

Mice = Sequence[MouseFigures]


@dataclass(frozen=True)
class Statistic:
    """A published statistic.

    Attributes
    ----------
    name, published, tolerance : str
        As printed.
    measure : callable
        From the mice to (figures, text, inside).
    """

    name: str
    published: str
    tolerance: str
    measure: Callable[[Mice], tuple[object, str, bool]]


@dataclass(frozen=True)
class Verdict:
    """A statistic of the simulated mice: figures, as text, and whether inside."""

    statistic: Statistic
    value: object
    text: str
    inside: bool


def judge(statistic: Statistic, mice: Mice) -> Verdict:
    """Measure one statistic on these mice."""
    value, text, inside = statistic.measure(mice)
    return Verdict(statistic, value, text, bool(inside))


def _near(
    values: Sequence[float], found: float, published: float, tolerance: float
) -> tuple[object, str, bool]:
    if not values:
        return None, "no mouse to measure", False
    spread = f"{min(values):.3f} to {max(values):.3f}, n = {len(values)}"
    return found, f"{found:.3f} ({spread})", abs(found - published) <= tolerance


def _svm(mice: Mice) -> tuple[object, str, bool]:
    values = [mouse.svm for mouse in mice if mouse.svm is not None]
    return _near(values, float(np.mean(values)) if values else np.nan, 0.478, 0.06)


def _logistic(mice: Mice) -> tuple[object, str, bool]:
    values = [mouse.logistic for mouse in mice]
    return _near(values, float(np.median(values)), 0.708, 0.08)


def _with_visp(mice: Mice) -> Mice:
    found = [mouse for mouse in mice if mouse.visp_units]
    if len(found) < 2:
        raise UserError(f"expected two mice with VISp or more; found {len(found)}: raise --mice")
    return found


def _scene_geometry(mice: Mice) -> tuple[object, str, bool]:
    found = consistency([mouse.scene_ranks for mouse in _with_visp(mice)])
    return found, f"{found:.3f}", abs(found - 0.314) <= 0.06


def _grating_geometry(mice: Mice) -> tuple[object, str, bool]:
    found = consistency([mouse.grating_ranks for mouse in _with_visp(mice)])
    return found, f"{found:.3f}", abs(found - 0.720) <= 0.08


def _reliability(mice: Mice) -> tuple[object, str, bool]:
    values = [mouse.reliability for mouse in mice if mouse.reliability is not None]
    return _near(values, float(np.mean(values)), 0.832, 0.06)


def _time_course(mice: Mice) -> tuple[object, str, bool]:
    found = [mouse.window_ranks for mouse in _with_visp(mice)]
    course = {centre: consistency([ranks[centre] for ranks in found]) for centre in found[0]}
    peak = max(course, key=lambda centre: course[centre])
    nothing = abs(course[NOTHING_MS]) < NOTHING_BELOW
    text = f"{course[NOTHING_MS]:.3f} at 30 ms, peak {course[peak]:.3f} at {peak} ms"
    return course, text, nothing and abs(peak - PEAK_MS) <= PEAK_TOLERANCE_MS


def _rate(mice: Mice) -> tuple[object, str, bool]:
    units = [mouse.visp_units for mouse in mice if mouse.visp_rate_hz is not None]
    rates = [mouse.visp_rate_hz for mouse in mice if mouse.visp_rate_hz is not None]
    return _near(rates, float(np.average(rates, weights=units)), 8.85, 2.0)


def _latency_order(mice: Mice) -> tuple[object, str, bool]:
    medians = {}
    for area in AREA_ORDER:
        pooled = [ms for mouse in mice for ms in mouse.latencies_ms.get(area, [])]
        medians[area] = float(np.median(pooled)) if pooled else np.nan
    values = list(medians.values())
    rising = all(low < high for low, high in pairwise(values[:-1]))
    text = ", ".join(f"{area} {ms:.1f}" for area, ms in medians.items())
    return medians, text, rising and values[-2] <= values[-1]


def _control(mice: Mice) -> tuple[object, str, bool]:
    values = np.array([mouse.control for mouse in mice if mouse.control is not None])
    if len(values) < 2:
        return None, "fewer than two mice to measure", False
    # 95 % interval of the mean over mice, Student's t.
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    text = f"{100 * mean:.2f} ± {100 * half:.2f} %"
    return {"mean": mean, "half_interval": half}, text, abs(mean - CHANCE) <= half


STATISTICS = (
    Statistic("119-way RBF-SVM, VISp, mice with 60-110 units, 5 folds", ".478", "±.06", _svm),
    Statistic("119-way logistic, all units, last fifth, median mouse", ".708", "±.08", _logistic),
    Statistic("natural-scene geometry between mice, VISp", ".314", "±.06", _scene_geometry),
    Statistic("gratings geometry between mice, VISp", ".720", "±.08", _grating_geometry),
    Statistic("natural-scene RDM reliability within a mouse", ".832", "±.06", _reliability),
    Statistic("shared geometry over time", "none at 30 ms, peak at 100", "±20 ms", _time_course),
    Statistic("VISp rate during scenes, Hz", "8.85", "±2", _rate),
    Statistic(
        "median first spike after a flash, ms", " < ".join(AREA_ORDER), "order", _latency_order
    ),
    Statistic("image identity from 0-30 ms, VISp", "chance, 0.84 %", "95 % interval", _control),
)
