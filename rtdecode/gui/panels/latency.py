"""Where the time goes: a histogram a stage, on one logarithmic axis."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel

from rtdecode.gui.panels.base import Panel, colour_plot, font, new_plot, pen
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme
from rtdecode.gui.timing import EDGES_MS, ROWS

NAMES = ("wire in", "wait", "bin", "infer", "wire out", "total")
COLUMNS = ("p50", "p95", "p99", "max")
LOG_EDGES = np.log10(EDGES_MS)


class LatencyPanel(Panel):
    """Milliseconds from a window's last spike to its decision, by stage."""

    key, title = "latency", "Latency (ms)"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.bars = pg.BarGraphItem(x0=[], x1=[], y0=[], y1=[])
        self.deadline = pg.InfiniteLine(angle=90)
        self.plot.addItem(self.bars)
        self.plot.addItem(self.deadline)
        self.plot.invertY(True)
        self.plot.setYRange(0, len(ROWS))
        self.plot.getAxis("left").setTicks([[(i + 0.6, n) for i, n in enumerate(NAMES)]])
        decades = range(-3, 4)
        self.plot.getAxis("bottom").setTicks([[(d, f"{10.0**d:g}") for d in decades]])
        self.cells = [[QLabel() for _ in COLUMNS] for _ in range(len(ROWS) + 1)]
        side = QHBoxLayout()
        side.addWidget(self.plot, 1)
        side.addLayout(self._grid())
        self.box.addLayout(side, 1)

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(0)
        for row, labels in enumerate(self.cells):
            grid.setRowStretch(row, 1)
            for column, label in enumerate(labels):
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(label, row, column)
        for label, name in zip(self.cells[-1], COLUMNS, strict=True):
            label.setText(name)
            label.setObjectName("key")
        return grid

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many decisions there are."""
        return state.timing.n, state.decoder.deadline_ms

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw histograms, percentiles and the deadline."""
        self._draw_deadline(state)
        if not state.timing.n:
            return
        self._draw_histograms(state)
        for labels, values in zip(self.cells, state.timing.percentiles(), strict=False):
            for label, value in zip(labels, values, strict=True):
                label.setText(milliseconds(value))

    def _draw_histograms(self, state: DisplayState) -> None:
        shares = state.timing.histograms()
        row, place = np.nonzero(shares)
        peak = shares.max(axis=1)
        height = 0.85 * shares[row, place] / peak[row]
        measured = np.flatnonzero(peak > 0)
        self.bars.setOpts(
            x0=LOG_EDGES[place],
            x1=LOG_EDGES[place + 1],
            y0=row + 1.0 - height,
            y1=row + 1.0,
            brushes=[self.theme.text if r == len(ROWS) - 1 else self.theme.accent for r in row],
            pen=None,
        )
        if len(measured):
            marks = [LOG_EDGES[place.min()], LOG_EDGES[place.max() + 1]]
            if np.isfinite(state.decoder.deadline_ms):
                marks.append(np.log10(state.decoder.deadline_ms))
            self.plot.setXRange(np.floor(min(marks)), np.ceil(max(marks) + 0.05))

    def _draw_deadline(self, state: DisplayState) -> None:
        deadline = state.decoder.deadline_ms
        known = bool(np.isfinite(deadline) and deadline > 0)
        self.deadline.setVisible(known)
        if known:
            self.deadline.setValue(np.log10(deadline))
            self.say(f"deadline {deadline:g} ms: {state.timing.over_deadline} late")
        else:
            self.say(f"last {len(state.timing.ms)} windows" if state.timing.n else "")

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.deadline.setPen(pen(theme.bad, dashed=True))
        for labels in self.cells:
            for label in labels:
                label.setFont(font(0.9 * px))


def milliseconds(value: float) -> str:
    """Three figures of a time in milliseconds; a dash where it was not measured."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else f"{value:.3f}"
