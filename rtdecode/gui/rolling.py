"""The spike raster, counted once and moved along with the span that it shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.raster import Span, capped, count_spikes
from rtdecode.gui.rings import SpikeTable


class RollingRaster:
    """The image of `raster_image`, of which only what is new is counted.

    From one frame to the next the picture moves on by a few columns, and a few hundred of
    its forty thousand spikes are new.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((1, 0), np.uint16)
        self._span = Span(0, 1, 0)
        self._of: tuple[object, ...] = ()
        self._n_come = 0

    def image(self, spikes: SpikeTable, n_units: int, span: Span, height: int) -> NDArray[np.uint8]:
        """Bring the counts up to date.

        Parameters
        ----------
        spikes : SpikeTable
        n_units, span, height
            As of `raster_image`.

        Returns
        -------
        (min(height, n_units), columns) uint8
            Counts, at most `MAX_COUNT`.
        """
        n_rows = max(1, min(height, n_units))
        of = (spikes, spikes.cleared, n_units, n_rows, span.column_us, span.columns)
        n_new, on_us = spikes.n - self._n_come, span.start_us - self._span.start_us
        kept = len(spikes) - n_new
        if of == self._of and kept >= 0 and 0 <= on_us < span.columns * span.column_us:
            self._move(on_us // span.column_us)
            self._count(spikes, n_units, span, self._span.stop_us, slice(None, kept))
            self._count(spikes, n_units, span, span.start_us, slice(kept, None))
        else:
            self._counts = np.zeros((n_rows, span.columns), np.uint16)
            self._count(spikes, n_units, span, span.start_us, slice(None))
        self._of, self._span, self._n_come = of, span, spikes.n
        return capped(self._counts)

    def _move(self, columns: int) -> None:
        if columns:
            self._counts[:, :-columns] = self._counts[:, columns:]
            self._counts[:, -columns:] = 0

    def _count(
        self, spikes: SpikeTable, n_units: int, span: Span, start_us: int, come: slice
    ) -> None:
        """Count those of the spikes that came then, from `start_us` to the end of the span."""
        times, rows = spikes.between(start_us, span.stop_us, come)
        count_spikes(self._counts, times, rows, n_units, span)
