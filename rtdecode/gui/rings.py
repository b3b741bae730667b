"""Tables that keep their newest rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class SlidingTable:
    """The newest rows of a growing table, at any time one contiguous view.

    The array is twice as long as what it keeps, so that rows move to the front
    once every `keep` rows and not at every append.

    Parameters
    ----------
    keep : int
        How many rows are kept.
    dtype : DTypeLike
        Of the values.
    shape : tuple of int
        Of one row.
    """

    def __init__(self, keep: int, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self.keep = keep
        self._table: NDArray[Any] = np.empty((2 * keep, *shape), dtype)
        # Else the system hands out the memory bit by bit, and it seems to leak for an hour.
        self._table.fill(0)
        self._begin = self._end = 0

    @property
    def rows(self) -> NDArray[Any]:
        """The kept rows, oldest first, (rows, *shape). A view: copy it to keep it."""
        return self._table[self._begin : self._end]

    def __len__(self) -> int:
        return self._end - self._begin

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows, (rows, *shape); the oldest beyond `keep` are forgotten."""
        rows = rows[-self.keep :]
        if self._end + len(rows) > len(self._table):
            self._to_front(self.keep - len(rows))
        self._table[self._end : self._end + len(rows)] = rows
        self._end += len(rows)
        self._begin = max(self._begin, self._end - self.keep)

    def _to_front(self, n_rows: int) -> None:
        kept = self.rows[len(self) - n_rows :] if n_rows else self.rows[:0]
        self._table[:n_rows] = kept
        self._begin, self._end = 0, n_rows

    def clear(self) -> None:
        """Forget every row."""
        self._begin = self._end = 0


class SpikeTable:
    """The newest spikes: when, and of which row of the raster.

    Spikes arrive almost in order of time. The running maximum of the times is
    in order, so the first spike that can lie in a span is found by bisection
    and no late spike is missed. It has no such last one: a stamp from another
    clock may hide it.

    Parameters
    ----------
    keep : int
        How many spikes are kept.

    Attributes
    ----------
    n, cleared : int
        How many spikes have ever come, and how often all were forgotten.
    """

    def __init__(self, keep: int) -> None:
        self.n = self.cleared = 0
        self._times = SlidingTable(keep, np.int64)
        self._newest = SlidingTable(keep, np.int64)
        self._rows = SlidingTable(keep, np.int32)

    def __len__(self) -> int:
        return len(self._times)

    def extend(self, times_us: NDArray[np.int64], rows: NDArray[np.int32]) -> None:
        """Append spikes: times (spikes,) int64 microseconds, raster rows (spikes,) int32."""
        if not len(times_us):
            return
        newest = np.maximum.accumulate(times_us)
        if len(self._newest):
            np.maximum(newest, self._newest.rows[-1], out=newest)
        self._times.extend(times_us)
        self._newest.extend(newest)
        self._rows.extend(rows)
        self.n += len(times_us)

    def between(
        self, start_us: int, stop_us: int, come: slice = slice(None)
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Times and raster rows of the spikes in ``[start_us, stop_us)``.

        Parameters
        ----------
        start_us, stop_us : int
            Microseconds.
        come : slice
            Which of the kept spikes, in the order in which they came.
        """
        first = int(np.searchsorted(self._newest.rows[come], start_us))
        times, rows = self._times.rows[come][first:], self._rows.rows[come][first:]
        inside = (times >= start_us) & (times < stop_us)
        return times[inside], rows[inside]

    def clear(self) -> None:
        """Forget every spike."""
        self.cleared += 1
        for table in (self._times, self._newest, self._rows):
            table.clear()
