"""Spikes of one unit: a point process whose rate follows screen, state and drift.

The rate is piecewise constant over some 5 ms and the waiting time to the next
spike is drawn by time rescaling (Brown et al. 2002): spikes fall where the
integral of the rate has grown by an exponential variate. After a spike the
unit is silent for its refractory period. A unit's response is computed on its
own clock, later than the screen's by its latency, so that onsets are exact and
lie on no grid. It begins with a brief volley that tells that something has
changed and not what, the stronger the longer nothing had; the tuned response
rises behind it (Bredfeldt and Ringach 2002, "Dynamics of spatial frequency tuning
in macaque V1"; first spikes come some 40 ms before two mice agree most, Siegle et
al. 2021 and Jana 2026).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from offline.simulate.brain_state import DRIFT_STEP_S, STEP_S

BIN_S = 0.005
VOLLEY_DECAY_S = 0.015
VOLLEY_RECOVERY_S = 1.0
KEEP_VOLLEY = float(np.exp(-BIN_S / VOLLEY_DECAY_S))


@njit(nogil=True, cache=True)
def log_gain(
    factors: NDArray[np.float32], weights: NDArray[np.float32], drift: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Gain of one unit on the grid of the shared factors.

    Parameters
    ----------
    factors : (factors, steps) float32
    weights : (factors,) float32
    drift : (drift steps,) float32

    Returns
    -------
    (steps,) float64
        Multiplies the rate.
    """
    n_factors, steps = factors.shape
    gain = np.empty(steps)
    ratio = STEP_S / DRIFT_STEP_S
    for step in range(steps):
        place = step * ratio
        low = int(place)
        part = place - low
        high = min(low + 1, drift.size - 1)
        total = drift[low] * (1 - part) + drift[high] * part
        for factor in range(n_factors):
            total += weights[factor] * factors[factor, step]
        gain[step] = np.exp(total)
    return gain


@njit(nogil=True, cache=True)
def unit_spikes(
    seed: int,
    start_s: NDArray[np.float64],
    stop_s: NDArray[np.float64],
    condition: NDArray[np.int64],
    restart: NDArray[np.bool_],
    transient_hz: NDArray[np.float32],
    sustained_hz: NDArray[np.float32],
    cycle_hz: NDArray[np.float64],
    depth: float,
    phase: float,
    base_hz: float,
    volley_hz: float,
    latency_s: float,
    rise_s: float,
    decay_s: float,
    refractory_s: float,
    gain: NDArray[np.float64],
    engaged: NDArray[np.float32],
    out: NDArray[np.float64],
) -> int:
    """Draw the spikes of one unit.

    Parameters
    ----------
    seed : int
    start_s, stop_s : (shown,) float64
        What the screen shows, one after another without gaps, grey included.
    condition : (shown,) int64
        Row of ``transient_hz`` and its like; -1 is grey.
    restart : (shown,) bool
        Whether the transient starts anew (a film's frames do not start it).
    transient_hz, sustained_hz : (conditions,) float32
        Evoked rate at onset and the rate it decays to.
    cycle_hz : (conditions,) float64
        Temporal frequency that a simple cell follows; 0 for still pictures.
    depth, phase : float
        How deep and in which phase it follows.
    base_hz : float
        Rate on grey.
    volley_hz : float
        Rate of the first volley after a long time of grey; it is over in some 20 ms.
    latency_s, rise_s, decay_s, refractory_s : float
    gain : (steps,) float64
        From ``log_gain``.
    engaged : (steps,) float32
        Multiplies what the screen evokes.
    out : (room,) float64
        Receives the spike times, seconds.

    Returns
    -------
    int
        How many spikes there were; more than ``room`` means that the last did not fit.
    """
    np.random.seed(seed)
    count = 0
    need = np.random.exponential()
    free = 0.0
    evoked = 0.0
    envelope = 1.0
    last_step = gain.size - 1
    last_change = -1e3
    for shown in range(start_s.size):
        duration = stop_s[shown] - start_s[shown]
        bins = max(1, round(duration / BIN_S))
        step_s = duration / bins
        keep_rise = np.exp(-step_s / rise_s)
        keep_decay = np.exp(-step_s / decay_s)
        early, late, cycle, burst = 0.0, 0.0, 0.0, 0.0
        if condition[shown] >= 0:
            early = transient_hz[condition[shown]]
            late = sustained_hz[condition[shown]]
            cycle = 2 * np.pi * cycle_hz[condition[shown]]
            if restart[shown]:
                pause = start_s[shown] - last_change
                burst = volley_hz * (1 - np.exp(-pause / VOLLEY_RECOVERY_S))
                last_change = start_s[shown]
        if restart[shown]:
            envelope = 1.0
        for k in range(bins):
            at = start_s[shown] + latency_s + k * step_s
            wish = late + (early - late) * envelope
            if cycle > 0.0:
                wish *= 1 + depth * np.cos(cycle * k * step_s + phase)
            evoked = wish + (evoked - wish) * keep_rise
            envelope *= keep_decay
            step = min(int(at / STEP_S), last_step)
            rate = (base_hz + (evoked + burst) * engaged[step]) * gain[step]
            burst *= KEEP_VOLLEY ** (step_s / BIN_S)
            end = at + step_s
            now = max(at, free)
            while now < end:
                if need > rate * (end - now):
                    need -= rate * (end - now)
                    break
                now += need / rate
                if count < out.size:
                    out[count] = now
                count += 1
                need = np.random.exponential()
                free = now + refractory_s
                now = free
    return count
