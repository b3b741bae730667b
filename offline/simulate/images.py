"""The pictures: dead leaves in place of natural scenes, gratings, gabors, flashes, films.

Luminance is contrast about the grey of the screen: 0 is grey, -1 black, +1
white. A picture is ``(SCREEN_ROWS, SCREEN_COLUMNS)``, one pixel a degree of
visual angle, seen flat (the spherical warp of the real screen is left out).

Natural scenes are dead leaves: opaque discs laid over one another, radii by a
power law ``p(r) ~ r**-3`` between two limits, which gives occlusion, edges and
the ``1/f`` amplitude spectrum of natural images (Ruderman 1997, "Origins of
scaling in natural images"; Lee, Mumford and Huang 2001, "Occlusion models for
natural images"); here ellipses, with a faint texture on each. Each picture has
its own mixture of leaf sizes and shapes, dominant orientation, contrast and
brightness, so that pictures differ as a bear differs from a wood.
The pictures do not depend on the mouse: every animal sees the same set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SCREEN_ROWS = 90
SCREEN_COLUMNS = 120
N_SCENES = 118
SCENES_SEED = 118

Float32Array = NDArray[np.float32]


def screen_axes() -> tuple[Float32Array, Float32Array]:
    """Degrees right and up of the screen's centre, each (rows, columns) float32."""
    columns = np.arange(SCREEN_COLUMNS, dtype=np.float32) - (SCREEN_COLUMNS - 1) / 2
    rows = (SCREEN_ROWS - 1) / 2 - np.arange(SCREEN_ROWS, dtype=np.float32)
    right, up = np.meshgrid(columns, rows)
    return right.astype(np.float32), up.astype(np.float32)


def grating(orientation_deg: float, frequency_cpd: float, phase: float) -> Float32Array:
    """A full-field sine grating of contrast 0.8; ``phase`` in cycles."""
    right, up = screen_axes()
    angle = np.deg2rad(orientation_deg)
    across = right * np.cos(angle) + up * np.sin(angle)
    wave = np.cos(2 * np.pi * (frequency_cpd * across + phase))
    return (0.8 * wave).astype(np.float32)


def gabor_patch(x_deg: float, y_deg: float, orientation_deg: float) -> Float32Array:
    """A 20 degree gabor patch of 0.08 cycles per degree, contrast 0.8."""
    right, up = screen_axes()
    distance2 = (right - x_deg) ** 2 + (up - y_deg) ** 2
    patch: Float32Array = grating(orientation_deg, 0.08, 0.25) * np.exp(-distance2 / (2 * 6.0**2))
    return patch.astype(np.float32)


def flash(color: float) -> Float32Array:
    """The whole screen black (-1) or white (+1)."""
    return np.full((SCREEN_ROWS, SCREEN_COLUMNS), color, np.float32)


@cache
def natural_scenes() -> Float32Array:
    """The 118 pictures that every mouse sees, (118, rows, columns) float32."""
    children = np.random.SeedSequence(SCENES_SEED).spawn(N_SCENES)
    return np.stack([dead_leaves(np.random.default_rng(child)) for child in children])


def film(frames: int, seed: int) -> Float32Array:
    """A film: a window that wanders over one large picture, (frames, rows, columns) float32."""
    rng = np.random.default_rng(seed)
    margin = 60
    canvas = dead_leaves(rng, SCREEN_ROWS + 2 * margin, SCREEN_COLUMNS + 2 * margin)
    steps = gaussian_filter(rng.standard_normal((frames, 2)), (30.0, 0.0), mode="wrap")
    path = np.cumsum(steps - steps.mean(0), axis=0)
    path *= (margin - 1) / np.abs(path).max()
    corners = np.rint(path + margin).astype(int)
    return np.stack(
        [canvas[r : r + SCREEN_ROWS, c : c + SCREEN_COLUMNS] for r, c in corners]
    ).astype(np.float32)


@dataclass(frozen=True)
class Manner:
    """What one picture is like as a whole; drawn for each picture.

    Attributes
    ----------
    smallest, largest : float
        Leaf radii, degrees.
    angle, angle_spread : float
        Long axis of the leaves: its mean and spread, radians.
    length : float
        Length of a leaf over its width.
    texture : float
        Strength of the grating on each leaf.
    contrast, brightness : float
        Spread and mean of the luminance.
    """

    smallest: float
    largest: float
    angle: float
    angle_spread: float
    length: float
    texture: float
    contrast: float
    brightness: float


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw a picture's manner: a wood of upright stems, a wall, a face in the sky."""
    smallest = 2.0 ** rng.uniform(0.0, 3.3)
    return Manner(
        smallest=smallest,
        largest=smallest * 2.0 ** rng.uniform(1.5, 4.0),
        angle=rng.uniform(0, np.pi),
        angle_spread=rng.uniform(0.1, 1.0),
        length=2.0 ** rng.uniform(0.0, 3.0),
        texture=rng.uniform(0.0, 0.8),
        contrast=0.15 * 2.0 ** rng.uniform(0.0, 2.0),
        brightness=0.25 * rng.standard_normal(),
    )


def dead_leaves(
    rng: np.random.Generator, rows: int = SCREEN_ROWS, columns: int = SCREEN_COLUMNS
) -> Float32Array:
    """One picture of overlapping textured leaves, (rows, columns) float32 in -1..1."""
    manner = draw_manner(rng)
    picture = np.full((rows, columns), np.nan, np.float32)
    bare = rows * columns
    # From the front to the back: a pixel keeps the first leaf that covers it.
    while bare:
        radius = _leaf_radius(rng, manner.smallest, manner.largest)
        row, column = _leaf_centre(rng, picture, bare, radius)
        bare -= _lay_leaf(
            picture,
            row,
            column,
            radius * np.sqrt(manner.length),
            manner.length,
            manner.angle + manner.angle_spread * rng.standard_normal(),
            rng.standard_normal(),
            manner.texture * rng.random(),
            2.0 ** rng.uniform(np.log2(0.02), np.log2(0.3)),
        )
    up, right = np.mgrid[0:rows, 0:columns].astype(np.float32)
    soft = gaussian_filter(picture + _shading(rng, right, up), 0.5)
    soft = (soft - soft.mean()) / soft.std()
    return np.clip(manner.contrast * soft + manner.brightness, -1, 1).astype(np.float32)


def _leaf_radius(rng: np.random.Generator, smallest: float, largest: float) -> float:
    # Inverse of the cumulative distribution of p(r) ~ r**-3.
    low, high = smallest**-2.0, largest**-2.0
    return float((low - rng.random() * (low - high)) ** -0.5)


def _leaf_centre(
    rng: np.random.Generator, picture: Float32Array, bare: int, radius: float
) -> tuple[float, float]:
    # Leaves fall anywhere; the last holes are aimed at, or filling would not end.
    rows, columns = picture.shape
    if bare < 0.1 * picture.size:
        holes = np.flatnonzero(np.isnan(picture))
        row, column = divmod(int(holes[rng.integers(len(holes))]), columns)
        return float(row), float(column)
    return rng.uniform(-radius, rows + radius), rng.uniform(-radius, columns + radius)


@njit(cache=True)
def _lay_leaf(
    picture: Float32Array,
    row: float,
    column: float,
    half_length: float,
    length: float,
    angle: float,
    shade: float,
    texture: float,
    frequency: float,
) -> int:
    """Fill what is bare under a leaf: an ellipse with a shade and a faint grating along it.

    Parameters
    ----------
    picture : (rows, columns) float32
        NaN where it is bare.
    row, column, half_length : float
        Centre and half of the long axis, pixels.
    length : float
        Long axis over short axis.
    angle : float
        Of the long axis, radians.
    shade, texture, frequency : float
        Luminance, and the grating's strength and cycles a pixel.

    Returns
    -------
    int
        How many pixels were bare.
    """
    rows, columns = picture.shape
    cosine, sine = np.cos(angle), np.sin(angle)
    reach = half_length + 1
    # The pixel that a hole's leaf was aimed at is always covered.
    limit = max(half_length, 0.75) ** 2
    filled = 0
    for y in range(max(int(row - reach), 0), min(int(row + reach) + 2, rows)):
        for x in range(max(int(column - reach), 0), min(int(column + reach) + 2, columns)):
            if not np.isnan(picture[y, x]):
                continue
            down, right = y - row, x - column
            across = down * cosine - right * sine
            if (right * cosine + down * sine) ** 2 + (length * across) ** 2 <= limit:
                picture[y, x] = shade + texture * np.cos(2 * np.pi * frequency * across)
                filled += 1
    return filled


def _shading(rng: np.random.Generator, right: Float32Array, up: Float32Array) -> Float32Array:
    # Light from one side: the lowest frequencies, which leaves of bounded size lack.
    slope_right, slope_up = 0.8 * rng.standard_normal(2)
    return (slope_right * (right / right.max() - 0.5) + slope_up * (up / up.max() - 0.5)).astype(
        np.float32
    )
