"""All that the comparison with published numbers takes from one simulated mouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.first_spikes import first_spike_latencies_ms
from benchmarks.geometry import mean_responses, reliability, similarity_ranks
from benchmarks.image_decoding import logistic_accuracy, svm_accuracy
from offline.simulate import session_path
from offline.simulate.mouse import simulate_mouse
from offline.simulate.nwb_file import write_mouse
from offline.simulate.profiles import PROFILES, Profile
from offline.simulate.timetable import Block
from rtdecode.session import Presentations, Session, read_session

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AREA = "VISp"
PROFILE = "scenes-and-gratings"
SCENES = 118
SVM_UNITS = (60, 110)
RESPONSE_MS = (0.0, 250.0)
CONTROL_MS = (0.0, 30.0)
# Centres of 25 ms windows, as published.
WINDOW_MS = 25.0
CENTRES_MS = tuple(range(-30, 251, 10))
# The same animals see flashes too, as in the full timetable, for first spikes.
FLASHES = Profile(((1, Block("flashes", 5.0, 298.5, 150)),), end_s=310.0)


@dataclass(frozen=True, eq=False)
class MouseFigures:
    """Figures of one simulated mouse.

    Attributes
    ----------
    units, passing, visp_units : int
        Before the quality filter, after it, and of these in VISp.
    visp_rate_hz : float or None
        Mean rate of those during scenes; None where VISp was missed.
    svm, logistic, control : float or None
        Accuracy of image identity: RBF-SVM on VISp, logistic regression on all
        units, and the SVM's on 0-30 ms; None where VISp has too few or too many units.
    reliability : float or None
        Of the scenes' geometry.
    latencies_ms : dict of str to list of float
        First-spike latency after a flash, by area, all units that answer.
    scene_ranks, grating_ranks : (items, items - 1) float64
        From ``similarity_ranks``.
    window_ranks : dict of int to (items, items - 1) float64
        The same for scenes in 25 ms windows, by centre in ms. These three are
        empty where VISp was missed.
    """

    units: int
    passing: int
    visp_units: int
    visp_rate_hz: float | None
    svm: float | None
    logistic: float
    control: float | None
    reliability: float | None
    latencies_ms: dict[str, list[float]]
    scene_ranks: FloatArray
    grating_ranks: FloatArray
    window_ranks: dict[int, FloatArray]


def measure_mouse(folder: Path, keep: bool, seed: int, number: int) -> MouseFigures:
    """Simulate a mouse, write it, read it and measure it.

    Parameters
    ----------
    folder : Path
        Where its session is written; one that is there is taken as it is.
    keep : bool
        Whether the session stays there.
    seed, number : int
    """
    path = session_path(folder, PROFILE, seed, number)
    if not path.exists():
        _write(path, PROFILES[PROFILE], PROFILE, seed, number)
    everything, passing = read_session(path, quality=None), read_session(path)
    visp = read_session(path, areas=[AREA]) if AREA in passing.units.areas else None
    if not keep:
        path.unlink()
    scenes = everything.presentations["natural_scenes"]
    counts = counts_between(everything, scenes.start_us, *RESPONSE_MS)
    return MouseFigures(
        units=len(everything.units),
        passing=len(passing.units),
        logistic=logistic_accuracy(counts, _frames(scenes)),
        latencies_ms=_latencies(folder, seed, number),
        **(NO_VISP if visp is None else _visp_figures(visp)),
    )


NO_VISP: dict[str, Any] = {
    "visp_units": 0,
    "visp_rate_hz": None,
    "svm": None,
    "control": None,
    "reliability": None,
    "scene_ranks": np.empty((0, 0)),
    "grating_ranks": np.empty((0, 0)),
    "window_ranks": {},
}


def _visp_figures(visp: Session) -> dict[str, Any]:
    scenes = visp.presentations["natural_scenes"]
    frames = _frames(scenes)
    counts = counts_between(visp, scenes.start_us, *RESPONSE_MS)
    early = counts_between(visp, scenes.start_us, *CONTROL_MS)
    fits = SVM_UNITS[0] <= len(visp.units) <= SVM_UNITS[1]
    shown = frames >= 0
    return {
        "visp_units": len(visp.units),
        "visp_rate_hz": float(counts.mean() / 0.25),
        "svm": svm_accuracy(counts, frames) if fits else None,
        "control": svm_accuracy(early, frames) if fits else None,
        "reliability": reliability(counts[shown], frames[shown], SCENES),
        "scene_ranks": _ranks(counts[shown], frames[shown]),
        "grating_ranks": _grating_ranks(visp),
        "window_ranks": {
            centre: _ranks(_window_counts(visp, scenes, centre)[shown], frames[shown])
            for centre in CENTRES_MS
        },
    }


def _frames(scenes: Presentations) -> IntArray:
    return np.asarray(scenes.columns["frame"], float).astype(np.int64)


def counts_between(
    session: Session, onsets_us: IntArray, start_ms: float, stop_ms: float
) -> FloatArray:
    """Spikes of each unit in a window after each onset, (onsets, units) float64."""
    edges = [onsets_us + round(1000 * edge) for edge in (start_ms, stop_ms)]
    columns = []
    for row in range(len(session.units)):
        low, high = np.searchsorted(session.spikes_of(row), edges)
        columns.append(high - low)
    return np.stack(columns, axis=1).astype(float)


def _window_counts(visp: Session, scenes: Presentations, centre_ms: int) -> FloatArray:
    half = WINDOW_MS / 2
    return counts_between(visp, scenes.start_us, centre_ms - half, centre_ms + half)


def _ranks(counts: FloatArray, labels: IntArray, items: int = SCENES) -> FloatArray:
    return similarity_ranks(mean_responses(counts, labels, items))


def _grating_ranks(visp: Session) -> FloatArray:
    # 30 conditions: orientation and spatial frequency, over all phases.
    table = visp.presentations["static_gratings"]
    orientation = np.asarray(table.columns["orientation"], float)
    frequency = np.asarray(table.columns["spatial_frequency"], float)
    shown = ~np.isnan(orientation)
    pairs = np.stack([orientation[shown], frequency[shown]], axis=1)
    conditions, labels = np.unique(pairs, axis=0, return_inverse=True)
    counts = counts_between(visp, table.start_us[shown], *RESPONSE_MS)
    return _ranks(counts, labels.reshape(-1), len(conditions))


def _latencies(folder: Path, seed: int, number: int) -> dict[str, list[float]]:
    path = session_path(folder, "flashes", seed, number)
    _write(path, FLASHES, "flashes", seed, number)
    session = read_session(path, quality=None)
    path.unlink()
    return first_spike_latencies_ms(session, session.presentations["flashes"].start_us)


def _write(path: Path, profile: Profile, name: str, seed: int, number: int) -> None:
    write_mouse(path, simulate_mouse(profile, (seed, number)), name, (seed, number))
