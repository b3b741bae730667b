"""The stimuli of the Brain Observatory: their conditions, pictures and table columns.

Conditions as in ``brain_observatory_1.1`` (Allen Brain Observatory, Visual
Coding - Neuropixels): 118 scenes and a blank, 50 times each; static gratings
of 6 orientations x 5 spatial frequencies x 4 phases and blanks; drifting
gratings of 8 directions x 5 temporal frequencies at 0.04 cycles per degree and
blanks; gabors at 9 x 9 positions x 3 orientations; dark and bright flashes;
two films.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.simulate import images

GREY = -1

ORIENTATIONS = np.arange(0.0, 180.0, 30.0)
SPATIAL_FREQUENCIES = np.array([0.02, 0.04, 0.08, 0.16, 0.32])
PHASES = np.array([0.0, 0.25, 0.5, 0.75])
DIRECTIONS = np.arange(0.0, 360.0, 45.0)
TEMPORAL_FREQUENCIES = np.array([1.0, 2.0, 4.0, 8.0, 15.0])
DRIFTING_CPD = 0.04
GABOR_POSITIONS = np.arange(-40.0, 50.0, 10.0)
GABOR_ORIENTATIONS = np.array([0.0, 45.0, 90.0])
FLASH_COLORS = np.array([-1.0, 1.0])
MOVIE_ONE_FRAMES, MOVIE_THREE_FRAMES = 900, 3600
MOVIE_ONE_SEED, MOVIE_THREE_SEED = 1, 3

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = dict[str, FloatArray]


def _grid(**axes: FloatArray) -> Columns:
    """Every combination of the axes' values, the last axis fastest."""
    meshes = np.meshgrid(*axes.values(), indexing="ij")
    return {name: mesh.ravel() for name, mesh in zip(axes, meshes, strict=True)}


@dataclass(frozen=True, eq=False)
class Stimulus:
    """One kind of stimulus.

    Attributes
    ----------
    columns : dict of str to (conditions,) float64
        What each condition shows, by Allen's column names.
    grey : dict of str to float
        The same columns in a blank presentation; empty where there is none.
    pictures : callable
        Returns (conditions, rows, columns) float32: one picture a condition.
        For drifting gratings a still of each.
    blanks : int
        Blank presentations in one sweep through the conditions.
    shown_s : float or None
        How long each is shown, seconds; None where it lasts until the next.
    pause_s : float
        Grey after each, seconds.
    is_film : bool
        Whether the conditions follow one another in order, as one stimulus.
    """

    columns: Mapping[str, FloatArray]
    pictures: Callable[[], NDArray[np.float32]]
    grey: Mapping[str, float]
    blanks: int = 0
    shown_s: float | None = None
    pause_s: float = 0.0
    is_film: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def order(self, presentations: int, rng: np.random.Generator) -> IntArray:
        """Conditions in order of presentation, sweep after sweep, each shuffled; GREY is blank."""
        sweep = np.concatenate([np.arange(len(self)), np.full(self.blanks, GREY)])
        sweeps = -(-presentations // len(sweep))
        if self.is_film:
            return np.tile(sweep, sweeps)[:presentations]
        return np.concatenate([rng.permutation(sweep) for _ in range(sweeps)])[:presentations]

    def table_columns(self, conditions: IntArray) -> Columns:
        """The parameter columns of these presentations."""
        shown = conditions != GREY
        return {
            name: np.where(shown, values[conditions], self.grey.get(name, np.nan))
            for name, values in self.columns.items()
        }


def _static_gratings() -> Columns:
    return _grid(orientation=ORIENTATIONS, spatial_frequency=SPATIAL_FREQUENCIES, phase=PHASES)


def _drifting_gratings() -> Columns:
    return _grid(orientation=DIRECTIONS, temporal_frequency=TEMPORAL_FREQUENCIES)


def _gabors() -> Columns:
    return _grid(
        x_position=GABOR_POSITIONS,
        y_position=GABOR_POSITIONS,
        orientation=GABOR_ORIENTATIONS,
    )


def _static_pictures() -> NDArray[np.float32]:
    rows = zip(*_static_gratings().values(), strict=True)
    return np.stack([images.grating(*row) for row in rows])


def _drifting_pictures() -> NDArray[np.float32]:
    angles = _drifting_gratings()["orientation"]
    return np.stack([images.grating(angle, DRIFTING_CPD, 0.0) for angle in angles])


def _gabor_pictures() -> NDArray[np.float32]:
    rows = zip(*_gabors().values(), strict=True)
    return np.stack([images.gabor_patch(*row) for row in rows])


def _flash_pictures() -> NDArray[np.float32]:
    return np.stack([images.flash(color) for color in FLASH_COLORS])


def _movie(frames: int, seed: int) -> Stimulus:
    columns = {"frame": np.arange(frames, dtype=float)}
    return Stimulus(columns, lambda: images.film(frames, seed), grey={}, is_film=True)


STIMULI: Mapping[str, Stimulus] = {
    "natural_scenes": Stimulus(
        {"frame": np.arange(images.N_SCENES, dtype=float)},
        images.natural_scenes,
        grey={"frame": -1.0},
        blanks=1,
    ),
    # 4 blanks in a sweep of 124 make 194 in 6,000; the recording had 196.
    "static_gratings": Stimulus(_static_gratings(), _static_pictures, grey={}, blanks=4),
    "drifting_gratings": Stimulus(
        _drifting_gratings(),
        _drifting_pictures,
        grey={},
        blanks=2,
        shown_s=2.0017,
        pause_s=1.0008,
    ),
    "gabors": Stimulus(_gabors(), _gabor_pictures, grey={}),
    "flashes": Stimulus(
        {"color": FLASH_COLORS},
        _flash_pictures,
        grey={},
        shown_s=0.2502,
        pause_s=1.7515,
    ),
    "natural_movie_one": _movie(MOVIE_ONE_FRAMES, MOVIE_ONE_SEED),
    "natural_movie_three": _movie(MOVIE_THREE_FRAMES, MOVIE_THREE_SEED),
}
