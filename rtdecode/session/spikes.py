"""Spike times from a file into one int64 array, a piece at a time.

A session has tens of millions of spikes, so they go through one small buffer
and never stand in memory twice.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.columns import FloatArray
from rtdecode.session.hdf5 import check_size, reading
from rtdecode.session.model import BoolArray, Int64Array

US_PER_S = 1e6
# Above this, 285 years, float64 seconds no longer tell microseconds apart.
MAX_S = 9e9
# A megabyte: what is done with a piece is done in the processor's own cache.
PIECE = 1 << 17
# A compressed chunk is unpacked whole, so a piece is a whole number of them.
MAX_PIECE = 1 << 23


def to_us(seconds: FloatArray, what: str) -> Int64Array:
    """Round seconds to int64 microseconds.

    Raises
    ------
    UserError
        If a time is NaN, infinite or centuries away.
    """
    times_us = np.empty(len(seconds), np.int64)
    _round_into(times_us, seconds.copy(), what)
    return times_us


def _round_into(times_us: Int64Array, seconds: FloatArray, what: str) -> None:
    """Fill ``times_us`` from seconds, which are worked on in place."""
    # NaN fails both comparisons.
    with np.errstate(invalid="ignore"):
        if len(seconds) and not (seconds.min() >= -MAX_S and seconds.max() <= MAX_S):
            wrong = seconds[~(np.abs(seconds) <= MAX_S)][0]
            raise UserError(f"expected times in seconds in {what}; found {wrong}: mend the file")
    np.multiply(seconds, US_PER_S, out=seconds)
    np.rint(seconds, out=seconds)
    times_us[:] = seconds


def unit_spans(ends: Int64Array, n_spikes: int, what: str) -> tuple[Int64Array, Int64Array]:
    """Where each unit's spikes start and stop, from the stored cumulative ends.

    Returns
    -------
    starts, stops : (units,) int64

    Raises
    ------
    UserError
        If the ends fall, are negative or lie beyond the data.
    """
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    if len(ends) and (starts > ends).any():
        raise UserError(f"expected rising ends in {what}; they fall: the file is damaged")
    if len(ends) and ends[-1] > n_spikes:
        raise UserError(
            f"expected ends up to {n_spikes} in {what}; found {ends[-1]}: the file is damaged"
        )
    return starts, ends


def read_spikes(
    path: Path,
    dataset: h5py.Dataset,
    starts: Int64Array,
    stops: Int64Array,
    kept: BoolArray,
) -> tuple[Int64Array, Int64Array]:
    """Read the spikes of the kept units.

    Parameters
    ----------
    dataset : (spikes,) float
        Seconds, unit after unit.
    starts, stops : (units,) int64
        Where each unit's spikes lie.
    kept : (units,) bool

    Returns
    -------
    times_us : (kept spikes,) int64
        Sorted within each unit.
    offsets : (kept units + 1,) int64
    """
    what = f"{dataset.name} of {path}"
    sizes = (stops - starts)[kept]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    with reading(path, str(dataset.name)):
        check_size(dataset)
        piece = _piece(dataset)
        times_us = np.empty(offsets[-1], np.int64)
    buffer = np.empty(min(piece, len(times_us)), np.float64)
    filled = 0
    for start, stop in _runs(starts[kept], stops[kept]):
        for first in range(start, stop, piece):
            n = min(piece, stop - first)
            with reading(path, str(dataset.name)):
                dataset.read_direct(buffer, np.s_[first : first + n], np.s_[:n])
            _round_into(times_us[filled : filled + n], buffer[:n], what)
            filled += n
    sort_units(times_us, offsets)
    return times_us, offsets


def _piece(dataset: h5py.Dataset) -> int:
    chunk = dataset.chunks[0] if dataset.chunks else 1
    return max(PIECE // chunk, 1) * chunk if chunk <= MAX_PIECE else MAX_PIECE


def _runs(starts: Int64Array, stops: Int64Array) -> list[tuple[int, int]]:
    """Neighbouring spans joined, so that each is read at once."""
    runs: list[tuple[int, int]] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return runs


def sort_units(times_us: Int64Array, offsets: Int64Array) -> None:
    """Sort, in place, the spikes of each unit that are not yet in order of time."""
    for row in _unsorted_units(times_us, offsets):
        times_us[offsets[row] : offsets[row + 1]].sort()


def _unsorted_units(times_us: Int64Array, offsets: Int64Array) -> list[int]:
    rows: set[int] = set()
    for first in range(0, len(times_us), PIECE):
        span = times_us[first : first + PIECE + 1]
        falls = first + 1 + np.flatnonzero(span[1:] < span[:-1])
        inside = falls[~np.isin(falls, offsets)]
        rows.update((np.searchsorted(offsets, inside, side="right") - 1).tolist())
    return sorted(rows)
