"""Whether a probability of 0.8 comes true in eight of ten windows."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg

from rtdecode.gui.panels.base import Panel, colour_plot, new_plot, pen
from rtdecode.gui.panels.items import BarItem, DotItem
from rtdecode.gui.performance import RELIABILITY_BINS
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme

#: A share of fewer windows than this says little: its point is hollow, and no line leads to it.
MANY = 10


class ReliabilityPanel(Panel):
    """Share correct over stated probability; on the diagonal the decoder is honest."""

    key, title = "reliability", "Reliability"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.diagonal = pg.PlotCurveItem([0, 1], [0, 1])
        self.counts = BarItem(x0=[], width=[], y0=0, height=[])
        self.curve = pg.PlotCurveItem()
        self.many, self.few = DotItem(symbol="o", size=7), DotItem(symbol="o", size=7)
        for item in (self.counts, self.diagonal, self.curve, self.many, self.few):
            self.plot.addItem(item)
        self.plot.setRange(xRange=(0, 1.03), yRange=(0, 1.03))
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setTicks([[(p, f"{p:g}") for p in (0, 0.5, 1)]])
        self.plot.setLabel("left", "correct")
        self.plot.setLabel("bottom", "stated")
        self.box.addWidget(self.plot, 1)

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many windows were judged."""
        return state.performance.n // state.stride, state.ended

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw the curve, and how many windows each point stands for."""
        found = state.performance.reliability
        many, few = found.counts >= MANY, (found.counts > 0) & (found.counts < MANY)
        self.curve.setData(found.stated[many], found.found[many])
        self.many.setData(found.stated[many], found.found[many])
        self.few.setData(found.stated[few], found.found[few])
        self.counts.setOpts(
            x0=np.arange(RELIABILITY_BINS) / RELIABILITY_BINS,
            width=1 / RELIABILITY_BINS,
            y0=0,
            height=0.3 * found.counts / max(1, found.counts.max()),
            pen=None,
            brush=self.theme.line,
        )
        self.say(f"error {found.error:.2f}" if found.counts.any() else "")

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.diagonal.setPen(pen(theme.faint, dashed=True))
        self.curve.setPen(pen(theme.accent))
        self.many.setBrush(theme.accent)
        self.many.setPen(None)
        self.few.setBrush(None)
        self.few.setPen(pen(theme.faint))
