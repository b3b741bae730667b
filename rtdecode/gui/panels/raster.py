"""The spikes of all units over the last seconds, with onsets and windows."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QRectF

from rtdecode.gui.panels.base import Panel, ago_ticks, colour_plot, new_plot, pen
from rtdecode.gui.panels.picture import Picture
from rtdecode.gui.raster import (
    Band,
    Span,
    draw_onsets,
    shade_windows,
)
from rtdecode.gui.rolling import RollingRaster
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme, raster_table

DURATION_US = 5_000_000


class RasterPanel(Panel):
    """Who fired when."""

    key, title = "raster", "Spikes"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.image = Picture()
        self.edges = pg.PlotCurveItem(connect="pairs")
        self.plot.addItem(self.image)
        self.plot.addItem(self.edges)
        self.plot.invertY(True)
        self.plot.setXRange(-DURATION_US * 1e-6, 0)
        self.plot.getAxis("bottom").setTicks([ago_ticks(DURATION_US, 1)])
        self.box.addWidget(self.plot, 1)
        self.rolling = RollingRaster()
        self._named: Hashable = None

    def span(self, view: View) -> Span:
        """The seconds that are shown, a column a pixel."""
        return Span.ending(view.end_us, DURATION_US, max(50, int(self._room().width())))

    def _room(self) -> QRectF:
        return self.plot.getPlotItem().getViewBox().rect()  # type: ignore[no-any-return]

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The span, and what has arrived."""
        return (
            self.span(view),
            state.newest_us,
            state.n_decisions,
            self._room().height(),
            tuple(state.silent),
        )

    def redraw(self, state: DisplayState, view: View) -> None:
        """Count the spikes into the image."""
        span, height = self.span(view), int(self._room().height())
        self._name_bands(state)
        drawn = self.rolling.image(state.spikes, state.order.n_units, span, height)
        decisions = state.decisions_since(span.start_us)
        starts = np.array([d.start_us for d in decisions], np.int64)
        ends = np.array([d.end_us for d in decisions], np.int64)
        shade_windows(drawn, span, starts, ends)
        draw_onsets(drawn, span, state.onset_us.rows)
        duration_s = span.columns * span.column_us * 1e-6
        self.image.show_image(
            drawn, QRectF(-duration_s, 0, duration_s, max(1, state.order.n_units))
        )

    def _name_bands(self, state: DisplayState) -> None:
        wanted = (state.order.bands, self.plot.height(), self.px, tuple(state.silent))
        if wanted == self._named:
            return
        self._named = wanted
        n_units = max(1, state.order.n_units)
        self.plot.setYRange(0, n_units)
        edges = np.repeat([float(band.first) for band in state.order.bands[1:]], 2)
        self.edges.setData(np.resize([-DURATION_US * 1e-6, 0.0], len(edges)), edges)
        self.plot.getAxis("left").setTicks(
            band_ticks(state.order.bands, n_units, self._room_rows())
        )
        named = [band for band in state.order.bands if band.area]
        areas = f"{len(named)} areas, " if named else ""
        silent = f"; ▲ silent: {', '.join(state.silent)}" if state.silent else ""
        self.say(f"{areas}{state.order.n_units:,} units; shaded: decoded windows{silent}")

    def _room_rows(self) -> int:
        """How many lines of text fit beside the raster."""
        return max(1, int(self._room().height() / (1.3 * self.px)))

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.image.set_colours(raster_table(theme))
        self.edges.setPen(pen(theme.line))
        self._named = None


def band_ticks(bands: tuple[Band, ...], n_units: int, lines: int) -> list[list[tuple[float, str]]]:
    """Ticks that name each area at its middle and rule it off at its edges.

    An area too thin for a line of text beside its neighbour stays unnamed.
    """
    names, last = [], -np.inf
    for band in bands:
        middle = (band.first + band.stop) / 2
        if band.area and (middle - last) * lines >= n_units:
            names.append((middle, band.area))
            last = middle
    if not names:
        step = max(1, 10 ** int(np.log10(n_units)) // 5)
        names = [(float(unit), str(unit)) for unit in range(step, n_units, step)]
    return [names]
