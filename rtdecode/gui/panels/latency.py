"""Where the time goes: a histogram a stage, on one logarithmic axis."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel

from rtdecode.gui.panels.base import (
    Panel,
    SteadyLabel,
    colour_plot,
    font,
    new_plot,
    pen,
    show_range,
    show_ticks,
)
from rtdecode.gui.panels.items import BarItem
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme
from rtdecode.gui.timing import EDGES_MS, ROWS

NAMES = ("wire in", "wait", "bin", "infer", "wire out", "total")
COLUMNS = ("p50", "p95", "p99", "max")
LOG_EDGES = np.log10(EDGES_MS)
TOTAL = len(ROWS) - 1


class LatencyPanel(Panel):
    """Milliseconds from a window's end to its decision, by stage."""

    key, title = "latency", "Latency, ms"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.plot.getPlotItem().setContentsMargins(0, 0, 14, 0)
        self.bars = BarItem(x0=[], x1=[], y0=[], y1=[])
        self.total = BarItem(x0=[], x1=[], y0=[], y1=[])
        self.deadline = pg.InfiniteLine(angle=90)
        for item in (self.bars, self.total, self.deadline):
            self.plot.addItem(item)
        self.plot.invertY(True)
        self.plot.setYRange(0, len(ROWS))
        self.plot.getAxis("left").setTicks([[(i + 0.6, n) for i, n in enumerate(NAMES)]])
        self.heads = [SteadyLabel(name) for name in COLUMNS]
        self.cells = [[SteadyLabel("–") for _ in COLUMNS] for _ in ROWS]
        self._axis_room = QLabel()
        self.box.addLayout(self._grid(), 1)

    def _grid(self) -> QGridLayout:
        """The plot, and beside each of its rows the figures."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(0)
        grid.addWidget(self.plot, 1, 0, len(ROWS) + 1, 1)
        grid.setColumnStretch(0, 1)
        for row, labels in enumerate((self.heads, *self.cells)):
            grid.setRowStretch(row, 1 if row else 0)
            for column, label in enumerate(labels, start=1):
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(label, row, column)
        grid.addWidget(self._axis_room, len(ROWS) + 1, 1)
        return grid

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many decisions there are."""
        return state.timing.n // state.stride, state.decoder.deadline_ms, state.ended

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw histograms, percentiles and the deadline."""
        self._axis_room.setFixedHeight(int(self.plot.getAxis("bottom").height()))
        self._draw_deadline(state)
        if not state.timing.n:
            return
        self._draw_histograms(state)
        for labels, values in zip(self.cells, state.timing.percentiles(), strict=True):
            for label, value in zip(labels, values, strict=True):
                label.setText(milliseconds(value))

    def _draw_histograms(self, state: DisplayState) -> None:
        shares = state.timing.histograms()
        row, place = np.nonzero(shares)
        if not len(row):
            return
        height = 0.85 * shares[row, place] / shares.max(axis=1)[row]
        for item, of, colour in (
            (self.bars, row != TOTAL, self.theme.accent),
            (self.total, row == TOTAL, self.theme.text),
        ):
            low, edges = row[of] + 1.0, (LOG_EDGES[place[of]], LOG_EDGES[place[of] + 1])
            item.setOpts(
                x0=edges[0], x1=edges[1], y0=low - height[of], y1=low, brush=colour, pen=None
            )
        seen = [LOG_EDGES[place.min()], LOG_EDGES[place.max() + 1]]
        if _is_set(state.decoder.deadline_ms):
            seen.append(np.log10(state.decoder.deadline_ms))
        self._show_range(float(np.floor(min(seen))), float(max(seen)) + 0.3)

    def _show_range(self, low: float, high: float) -> None:
        """Show powers of ten from `low` to `high`, as many named as there is room for."""
        show_range(self.plot, (low, high), (0, len(ROWS)))
        room = self.plot.getPlotItem().getViewBox().rect().width()
        step = max(1, int(np.ceil((high - low) * 3.5 * self.px / max(1.0, room))))
        named = [(float(d), f"{10.0**d:g}") for d in range(-3, 4) if d % step == 0]
        show_ticks(self.plot, "bottom", named)

    def _draw_deadline(self, state: DisplayState) -> None:
        deadline = state.decoder.deadline_ms
        self.deadline.setVisible(_is_set(deadline))
        if _is_set(deadline):
            self.deadline.setValue(np.log10(deadline))
            late, of = state.timing.over_deadline, state.timing.n
            self.say(f"deadline {deadline:g} ms: {late:,} of {of:,} late")
        else:
            self.say(f"last {len(state.timing.ms)} windows" if state.timing.n else "")

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.deadline.setPen(pen(theme.bad, dashed=True))
        for labels in (self.heads, *self.cells):
            for label in labels:
                label.setFont(font(0.9 * px))
        for head in self.heads:
            head.setStyleSheet(f"color: {theme.faint};")
        for total in self.cells[TOTAL]:
            total.setFont(font(0.9 * px, bold=True))


def _is_set(deadline_ms: float) -> bool:
    return bool(np.isfinite(deadline_ms) and deadline_ms > 0)


def milliseconds(value: float) -> str:
    """A time in milliseconds for a narrow column; a dash where it was not measured."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
