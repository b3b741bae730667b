"""The spike raster as an image: units by area and depth, columns of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.session.model import Units

#: Values of the image: counts from 0, the same in a decoding window, and an onset.
WINDOW, ONSET, MAX_COUNT = 64, 255, 63
#: Of fewer spikes than these each is added by itself; of more a whole image is counted.
FEW_SPIKES = 4_000


@dataclass(frozen=True)
class Band:
    """The rows ``first:stop`` of the raster that one area fills."""

    area: str
    first: int
    stop: int


@dataclass(frozen=True)
class UnitOrder:
    """Which row of the raster each unit has: by area, within it by depth.

    Attributes
    ----------
    sorted_ids : (units,) int64
        Unit ids in rising order, for look-up.
    rows : (units,) int32
        The row of each of `sorted_ids`.
    bands : tuple of Band
        From the first row on.
    """

    sorted_ids: NDArray[np.int64]
    rows: NDArray[np.int32]
    bands: tuple[Band, ...]

    @property
    def n_units(self) -> int:
        """How many units the raster has."""
        return len(self.rows)

    @classmethod
    def of(cls, units: Units) -> UnitOrder:
        """Order the units of a stream: areas by name, in each the top of the probe first."""
        areas = units.areas
        order = np.lexsort((units.ids, np.nan_to_num(-units.depths_um, nan=np.inf), areas))
        row_of = np.empty(len(order), np.int32)
        row_of[order] = np.arange(len(order), dtype=np.int32)
        by_id = np.argsort(units.ids)
        return cls(units.ids[by_id], row_of[by_id], _bands(areas[order]))

    def rows_of(self, unit_ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Rows of spikes, (spikes,) int32; -1 where the stream's table lacks the unit."""
        if not self.n_units:
            return np.full(len(unit_ids), -1, np.int32)
        place = np.minimum(np.searchsorted(self.sorted_ids, unit_ids), self.n_units - 1)
        return np.where(self.sorted_ids[place] == unit_ids, self.rows[place], np.int32(-1))


NO_UNITS = UnitOrder(np.empty(0, np.int64), np.empty(0, np.int32), ())


def _bands(areas: NDArray[np.str_]) -> tuple[Band, ...]:
    if not len(areas):
        return ()
    starts = np.flatnonzero(np.r_[True, areas[1:] != areas[:-1]])
    stops = np.r_[starts[1:], len(areas)]
    return tuple(Band(str(areas[a]), int(a), int(b)) for a, b in zip(starts, stops, strict=True))


@dataclass(frozen=True)
class Span:
    """The time a raster shows, cut into columns.

    Edges lie on whole columns of the clock, so a spike keeps its neighbours
    while the picture moves on.
    """

    start_us: int
    column_us: int
    columns: int

    @property
    def stop_us(self) -> int:
        """The first microsecond that is no longer shown."""
        return self.start_us + self.columns * self.column_us

    @classmethod
    def ending(cls, end_us: int, duration_us: int, columns: int) -> Span:
        """The span of about `duration_us` whose last column holds `end_us`."""
        column_us = max(1, duration_us // max(1, columns))
        return cls((end_us // column_us + 1 - columns) * column_us, column_us, columns)


def raster_image(
    times_us: NDArray[np.int64],
    rows: NDArray[np.int32],
    n_units: int,
    span: Span,
    height: int,
) -> NDArray[np.uint8]:
    """Count spikes into an image.

    Parameters
    ----------
    times_us : (spikes,) int64
        All inside the span.
    rows : (spikes,) int32
        Raster rows; -1 is left out.
    n_units : int
        Rows of the raster before it is fitted to the screen.
    span : Span
    height : int
        Pixels there are. With more units than pixels neighbours share a pixel
        and add up: drawn at full height and shrunk, spikes would vanish.

    Returns
    -------
    (min(height, n_units), columns) uint8
        Counts, at most `MAX_COUNT`.
    """
    counts = np.zeros((max(1, min(height, n_units)), span.columns), np.uint16)
    count_spikes(counts, times_us, rows, n_units, span)
    return capped(counts)


def count_spikes(
    counts: NDArray[np.uint16],
    times_us: NDArray[np.int64],
    rows: NDArray[np.int32],
    n_units: int,
    span: Span,
) -> None:
    """Add spikes to the counts of an image's pixels, in place.

    Parameters
    ----------
    counts : (image rows, columns) uint16
    times_us : (spikes,) int64
        All inside the span.
    rows : (spikes,) int32
        Raster rows; -1 is left out.
    n_units : int
    span : Span
    """
    known = rows >= 0
    column = (times_us[known] - span.start_us) // span.column_us
    row = rows[known].astype(np.int64) * len(counts) // max(1, n_units)
    pixel = row * span.columns + column
    if len(pixel) < FEW_SPIKES:
        np.add.at(counts.reshape(-1), pixel, np.uint16(1))
    else:
        counts += np.bincount(pixel, minlength=counts.size).reshape(counts.shape).astype(np.uint16)


def capped(counts: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Counts as values of the image, uint8, at most `MAX_COUNT`."""
    return np.minimum(counts, MAX_COUNT).astype(np.uint8)


def shade_windows(
    image: NDArray[np.uint8],
    span: Span,
    starts_us: NDArray[np.int64],
    ends_us: NDArray[np.int64],
) -> None:
    """Lift the columns inside decoding windows by `WINDOW`, in place."""
    inside = np.zeros(span.columns + 1, np.int64)
    np.add.at(inside, _columns(starts_us, span), 1)
    np.add.at(inside, _columns(ends_us, span), -1)
    image += np.where(np.cumsum(inside[:-1]) > 0, np.uint8(WINDOW), np.uint8(0))


def draw_onsets(image: NDArray[np.uint8], span: Span, onsets_us: NDArray[np.int64]) -> None:
    """Set the columns of stimulus onsets to `ONSET`, in place."""
    inside = onsets_us[(onsets_us >= span.start_us) & (onsets_us < span.stop_us)]
    image[:, _columns(inside, span)] = ONSET


def _columns(times_us: NDArray[np.int64], span: Span) -> NDArray[np.int64]:
    return np.clip((times_us - span.start_us) // span.column_us, 0, span.columns)
