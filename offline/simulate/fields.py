"""Receptive fields: how strongly a picture drives each unit.

Model
-----
Each unit has a pair of Gabor filters in quadrature (thalamus: a
centre-surround pair of one sign), a share of complex (phase-blind energy,
Adelson and Bergen 1985) beside simple (half-rectified, phase-bound) response,
and a weight for plain light or dark. What comes out is divided by the local
contrast about the field (divisive normalisation; Heeger 1992, "Normalization
of cell responses in cat striate cortex")::

    x = complex * (|even, odd| + light * |mean|)
        + (1 - complex) * (max(even, 0) + light * max(sign * mean, 0))
    R = x**n / (c50**n + (pool * contrast)**n + x**n)

Laws of the parameters (mouse): preferred spatial frequency log-normal about
0.04 cycles per degree with an octave's spread, orientation with a surplus at
the cardinal ones, field size tied to the frequency (Niell and Stryker 2008,
"Highly selective receptive fields in mouse visual cortex"; de Vries et al.
2020). A probe sits at one place of the retinotopic map, a few degrees off in
each mouse, and its units' fields scatter about that place.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from offline.simulate.images import Float32Array, screen_axes

EXPONENT = 2.0
C50 = 0.08
POOL_WEIGHT = 0.6
CYCLES = 0.35
"""Standard deviation of the Gabor's window, in cycles of its carrier."""
PLACE_SPREAD_DEG = (8.0, 6.0)
"""Across and up: how far a probe's place is from the screen's centre, SD over mice."""
FIELD_SPREAD_DEG = 4.0
MEDIAN_CPD = 0.04
OCTAVES_SPREAD = 1.1
UNITS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Fields:
    """Receptive fields of some units, each attribute (units,) float64.

    Attributes
    ----------
    x_deg, y_deg : centre, degrees right and up of the screen's centre
    orientation : of the carrier's axis across the stripes, radians
    cpd : preferred spatial frequency, cycles per degree
    phase : of the even filter, radians
    size_deg : standard deviation of the window across the stripes, degrees
    aspect : length along the stripes over width across them
    isotropic : 1 for a centre-surround field, else 0
    complexity : share of the complex response, 0 to 1
    light : weight of plain light (positive) or dark (negative)
    """

    x_deg: NDArray[np.float64]
    y_deg: NDArray[np.float64]
    orientation: NDArray[np.float64]
    cpd: NDArray[np.float64]
    phase: NDArray[np.float64]
    size_deg: NDArray[np.float64]
    aspect: NDArray[np.float64]
    isotropic: NDArray[np.float64]
    complexity: NDArray[np.float64]
    light: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x_deg)

    def rows(self, which: slice) -> Fields:
        """The fields of these units."""
        return Fields(*(getattr(self, item.name)[which] for item in fields(self)))


def draw_fields(
    count: int,
    scale: float,
    is_cortex: bool,
    place: tuple[float, float],
    rng: np.random.Generator,
) -> Fields:
    """Draw the receptive fields of an area's units.

    Parameters
    ----------
    count : int
        Units.
    scale : float
        Field size, VISp = 1.
    is_cortex : bool
        Cortical units are oriented; thalamic ones have centre and surround.
    place : (float, float)
        Where on the screen this mouse's probe looks, degrees right and up.
    rng : numpy.random.Generator
    """
    cpd = MEDIAN_CPD * 2.0 ** (OCTAVES_SPREAD * rng.standard_normal(count))
    cpd = np.clip(cpd, 0.01, 0.3)
    cardinal = rng.choice([0.0, np.pi / 2], count) + 0.25 * rng.standard_normal(count)
    orientation = np.where(rng.random(count) < 0.35, cardinal, rng.uniform(0, np.pi, count))
    spread = FIELD_SPREAD_DEG * np.sqrt(scale)
    size = np.clip(CYCLES / cpd * np.exp(0.2 * rng.standard_normal(count)), 2.0, 14.0)
    complexity = rng.beta(0.9, 0.9, count)
    sign = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    return Fields(
        x_deg=place[0] + spread * rng.standard_normal(count),
        y_deg=place[1] + spread * rng.standard_normal(count),
        orientation=orientation % np.pi,
        cpd=cpd,
        phase=rng.uniform(0, 2 * np.pi, count),
        size_deg=np.minimum(size * scale, 20.0),
        aspect=rng.uniform(1.0, 1.8, count),
        isotropic=np.full(count, 0.0 if is_cortex else 1.0),
        complexity=complexity if is_cortex else 0.3 * complexity,
        light=sign * rng.gamma(1.0, 0.10 if is_cortex else 0.3, count),
    )


def draw_place(rng: np.random.Generator) -> tuple[float, float]:
    """Draw where on the screen a mouse's probes look, degrees right and up."""
    across, up = PLACE_SPREAD_DEG * rng.standard_normal(2)
    return float(across), float(up)


def responses(units: Fields, pictures: Float32Array) -> Float32Array:
    """Normalised response of each unit to each picture.

    Parameters
    ----------
    units : Fields
    pictures : (pictures, rows, columns) float32
        Contrast about grey.

    Returns
    -------
    (units, pictures) float32
        0 (no drive) to 1.
    """
    flat = pictures.reshape(len(pictures), -1).T
    squared = flat**2
    parts = [
        _some_responses(units.rows(slice(at, at + UNITS_AT_ONCE)), flat, squared)
        for at in range(0, len(units), UNITS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(pictures)), np.float32)


def _some_responses(units: Fields, flat: Float32Array, squared: Float32Array) -> Float32Array:
    even_filter, odd_filter, window = _filters(units)
    even, odd = even_filter @ flat, odd_filter @ flat
    mean = window @ flat
    contrast2 = np.maximum(window @ squared - mean**2, 0)
    complexity, light = units.complexity[:, None], units.light[:, None]
    drive = complexity * np.hypot(even, odd) + (1 - complexity) * np.maximum(even, 0)
    plain = complexity * np.abs(mean) + (1 - complexity) * np.maximum(np.sign(light) * mean, 0)
    drive = drive + np.abs(light) * plain
    top = drive**EXPONENT
    pooled = POOL_WEIGHT**EXPONENT * contrast2 ** (EXPONENT / 2)
    return (top / (C50**EXPONENT + pooled + top)).astype(np.float32)


def _filters(units: Fields) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Even and odd filters and the pooling window, each (units, pixels) float32.

    A filter gives 1 for its preferred grating at contrast 1; the window sums to 1.
    """
    right, up = (axis.ravel()[None, :] for axis in screen_axes())
    column = {
        item.name: getattr(units, item.name)[:, None].astype(np.float32) for item in fields(units)
    }
    dx, dy = right - column["x_deg"], up - column["y_deg"]
    cosine, sine = np.cos(column["orientation"]), np.sin(column["orientation"])
    across, along = dx * cosine + dy * sine, dy * cosine - dx * sine
    size = column["size_deg"]
    envelope = np.exp(-0.5 * ((across / size) ** 2 + (along / (size * column["aspect"])) ** 2))
    radius2 = dx**2 + dy**2
    carrier = 2 * np.pi * column["cpd"] * across + column["phase"]
    oriented = 1 - column["isotropic"]
    even = oriented * envelope * np.cos(carrier) + column["isotropic"] * _centre_surround(
        radius2, column["cpd"], column["phase"]
    )
    odd = oriented * envelope * np.sin(carrier)
    return _balanced(even, envelope), _balanced(odd, envelope), _window(radius2, size)


def _centre_surround(radius2: Float32Array, cpd: Float32Array, phase: Float32Array) -> Float32Array:
    # A difference of Gaussians whose preferred frequency is about cpd; on or off by the phase.
    centre = 0.18 / cpd
    on = np.exp(-radius2 / (2 * centre**2)) / centre**2
    around = np.exp(-radius2 / (2 * (2 * centre) ** 2)) / (2 * centre) ** 2
    return np.sign(np.cos(phase)) * (on - around)


def _balanced(weights: Float32Array, envelope: Float32Array) -> Float32Array:
    # No answer to plain light, and 1 to the best grating of contrast 1: the sum of
    # E cos**2 is pi/4 of the sum of |E cos|.
    flat = weights - envelope * (weights.sum(1, keepdims=True) / envelope.sum(1, keepdims=True))
    scale = np.abs(flat).sum(1, keepdims=True) * (np.pi / 4)
    return (flat / np.maximum(scale, 1e-6)).astype(np.float32)


def _window(radius2: Float32Array, size: Float32Array) -> Float32Array:
    weights = np.exp(-radius2 / (2 * (1.5 * size) ** 2))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
