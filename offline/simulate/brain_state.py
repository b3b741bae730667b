"""What moves all units at once: running, arousal, shared gain, lapses, slow drift.

Laws
----
- Running: bouts of exponential length, speeds about 25 cm/s, the share of time
  spent running another in each mouse (Niell and Stryker 2010: running raises
  the gain of visual responses).
- Shared gain: an Ornstein-Uhlenbeck process of 0.3 s on top of arousal of
  60 s; units follow it with different weights (Goris, Movshon and Simoncelli
  2014, "Partitioning neuronal variability"; Ecker et al. 2014).
- Further shared fluctuations of 1 s with weights of either sign (correlated
  variability; Cohen and Kohn 2011, "Measuring and interpreting neuronal
  correlations").
- Lapses: for a second or two at a time, a fifth of the time, evoked responses
  all but fail while spontaneous firing goes on (quiet wakefulness switches
  within seconds between states that differ in how strong and reliable visual
  responses are: Reimer et al. 2014, "Pupil fluctuations track fast switching of
  cortical states during quiet wakefulness"; McGinley et al. 2015, "Waking
  state: rapid variations modulate neural and behavioral responses").
- Drift: each unit's log rate wanders over tens of minutes, in part together
  with others (electrode drift, satiety, arousal), so that blocks that lie
  apart in time differ even while the screen is grey (decoders trained early in
  a session lose accuracy: AllenSDK's ecephys quick start, whose folds in order
  of time run from 41 to 51 %).

The kinds of fluctuation are from these sources; how large they are was set so
that decoding and geometry come out as published (``docs/simulator.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

STEP_S = 0.05
DRIFT_STEP_S = 10.0
GAIN_TAU_S, AROUSAL_TAU_S, SHARED_TAU_S = 0.3, 60.0, 1.0
SHARED_FACTORS = 4
DRIFT_FACTORS = 4
DRIFT_TAU_S = 1200.0
GAIN_SD, AROUSAL_SD, SHARED_SD = 0.25, 0.12, 0.11
RUNNING_GAIN = 0.20
DRIFT_SHARED_SD, DRIFT_PRIVATE_SD = 0.12, 0.50
RUN_S, RUN_SPEED_CM_S = 12.0, 25.0
LAPSE_A, LAPSE_B = 10.0, 36.0
LAPSE_S = 1.5
LAPSE_RESPONSE = 0.1

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BrainState:
    """Fluctuations of one recording.

    Attributes
    ----------
    factors : (factors, steps) float32
        Shared log-gain factors, a step each STEP_S seconds.
    weights : (units, factors) float32
        How each unit follows them.
    drift : (units, drift steps) float32
        Slow change of each unit's log rate, a step each DRIFT_STEP_S seconds.
    engaged : (steps,) float32
        What is left of evoked responses, 0 to 1.
    speed_cm_s : (steps,) float64
        Running speed.
    """

    factors: Float32Array
    weights: Float32Array
    drift: Float32Array
    engaged: Float32Array
    speed_cm_s: FloatArray


def draw_state(units: int, end_s: float, rng: np.random.Generator) -> BrainState:
    """Draw the fluctuations of one recording of ``end_s`` seconds."""
    steps = int(np.ceil(end_s / STEP_S)) + 2
    speed = _running(steps, rng)
    moving = np.minimum(speed / RUN_SPEED_CM_S, 1.5)
    gain = GAIN_SD * wander(1, steps, STEP_S, GAIN_TAU_S, rng)
    arousal = AROUSAL_SD * wander(1, steps, STEP_S, AROUSAL_TAU_S, rng)
    shared = SHARED_SD * wander(SHARED_FACTORS, steps, STEP_S, SHARED_TAU_S, rng)
    factors = np.concatenate([gain, arousal, shared, RUNNING_GAIN * moving[None, :]])
    weights = np.concatenate(
        [
            np.maximum(1.0 + 0.4 * rng.standard_normal((units, 2)), 0.0),
            rng.standard_normal((units, SHARED_FACTORS)),
            1.0 + 0.8 * rng.standard_normal((units, 1)),
        ],
        axis=1,
    )
    return BrainState(
        factors.astype(np.float32),
        weights.astype(np.float32),
        _drift(units, end_s, rng),
        _engagement(steps, rng),
        speed,
    )


def wander(
    count: int, steps: int, step_s: float, tau_s: float, rng: np.random.Generator
) -> FloatArray:
    """Ornstein-Uhlenbeck processes of unit variance, (count, steps)."""
    keep = np.exp(-step_s / tau_s)
    noise = rng.standard_normal((count, steps)) * np.sqrt(1 - keep**2)
    noise[:, 0] /= np.sqrt(1 - keep**2)
    path: FloatArray = lfilter([1.0], [1.0, -keep], noise, axis=1)
    return path


def _drift(units: int, end_s: float, rng: np.random.Generator) -> Float32Array:
    steps = int(np.ceil(end_s / DRIFT_STEP_S)) + 2
    common = wander(DRIFT_FACTORS, steps, DRIFT_STEP_S, DRIFT_TAU_S, rng)
    private = wander(units, steps, DRIFT_STEP_S, DRIFT_TAU_S, rng)
    follow = DRIFT_SHARED_SD * rng.standard_normal((units, DRIFT_FACTORS))
    return (follow @ common + DRIFT_PRIVATE_SD * private).astype(np.float32)


def _engagement(steps: int, rng: np.random.Generator) -> Float32Array:
    share = rng.beta(LAPSE_A, LAPSE_B)
    lapses = _bouts(steps, LAPSE_S, share, rng)
    kept = 1 - (1 - LAPSE_RESPONSE) * np.minimum(lapses, 1.0)
    return kept.astype(np.float32)


def _bouts(steps: int, mean_s: float, share: float, rng: np.random.Generator) -> FloatArray:
    """Bouts of exponential length that fill a share of the time, (steps,) of 0 or 1."""
    rest_s = mean_s * (1 - share) / max(share, 0.02)
    bouts = int(steps * STEP_S / (mean_s + rest_s) * 2) + 20
    lengths = np.empty(2 * bouts)
    lengths[0::2] = rng.exponential(rest_s, bouts)
    lengths[1::2] = rng.exponential(mean_s, bouts)
    at = np.searchsorted(np.cumsum(lengths) / STEP_S, np.arange(steps), side="right")
    inside: FloatArray = (at % 2).astype(float)
    return inside


def _running(steps: int, rng: np.random.Generator) -> FloatArray:
    bouts = _bouts(steps, RUN_S, rng.beta(1.2, 2.0), rng)
    wish = RUN_SPEED_CM_S * np.maximum(1 + 0.4 * wander(1, steps, STEP_S, RUN_S, rng)[0], 0.1)
    keep = np.exp(-STEP_S / 0.5)
    smooth: FloatArray = lfilter([1 - keep], [1.0, -keep], bouts * wish)
    return smooth
