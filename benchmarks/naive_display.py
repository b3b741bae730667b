"""The display that a lab would write first: a dot a spike, a line a class, a bar item a bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg

from rtdecode.gui.history import usual_interval_us
from rtdecode.gui.state import DisplayState

SECONDS, HISTORY = 5.0, 240


class NaiveDisplay:
    """Posterior, history and raster as scatter points, curves and single bars."""

    def __init__(self, width: int, height: int) -> None:
        self.window = pg.GraphicsLayoutWidget()
        self.window.resize(width, height)
        self.posterior = self.window.addPlot()
        self.history = self.window.addPlot()
        self.window.nextRow()
        self.raster = self.window.addPlot(colspan=2)
        self.raster.setXRange(-SECONDS, 0)
        self.dots = pg.ScatterPlotItem(size=2, pen=None, brush="w")
        self.raster.addItem(self.dots)
        self.curves: list[Any] = []
        self.window.show()

    def draw(self, state: DisplayState) -> None:
        """Draw all anew, as is easiest to write."""
        end_us = state.live_us
        times, rows = state.spikes.between(end_us - round(SECONDS * 1e6), end_us)
        self.dots.setData((times - end_us) * 1e-6, rows.astype(float))
        posteriors = state.posteriors.rows[-HISTORY:]
        if not len(posteriors):
            return
        self._draw_bars(posteriors[-1])
        self._draw_curves(posteriors, usual_interval_us(state.posterior_us.rows, 1) * 1e-6)

    def _draw_bars(self, probabilities: np.ndarray[Any, Any]) -> None:
        self.posterior.clear()
        for place, p in enumerate(probabilities):
            self.posterior.addItem(pg.BarGraphItem(x=[place], height=[p], width=0.8, brush="c"))

    def _draw_curves(self, posteriors: np.ndarray[Any, Any], interval_s: float) -> None:
        ago = np.arange(-len(posteriors) + 1, 1) * interval_s
        if not self.curves:
            pens = [pg.mkPen(pg.intColor(i), width=2) for i in range(posteriors.shape[1])]
            self.curves = [self.history.plot(pen=pen) for pen in pens]
        for curve, p in zip(self.curves, posteriors.T, strict=True):
            curve.setData(ago, p)
