"""Accuracy beside chance, window after window."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtWidgets import QLabel

from rtdecode.gui.panels.base import Panel, colour_plot, font, new_plot, pen
from rtdecode.gui.performance import RUNNING, Performance
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme


class AccuracyPanel(Panel):
    """How often the decoder is right."""

    key, title = "accuracy", "Accuracy"

    def __init__(self) -> None:
        super().__init__()
        self.figure = QLabel("–")
        self.plot = new_plot()
        self.overall, self.running = pg.PlotCurveItem(), pg.PlotCurveItem()
        self.chance = pg.InfiniteLine(angle=0)
        for item in (self.chance, self.overall, self.running):
            self.plot.addItem(item)
        self.plot.setYRange(0, 1.02)
        self.plot.getAxis("left").setTicks([[(p, f"{100 * p:g}%") for p in (0, 0.5, 1)]])
        self.plot.setLabel("bottom", "windows")
        self.box.addWidget(self.figure)
        self.box.addWidget(self.plot, 1)

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many windows were judged."""
        return state.performance.n, state.n_decisions > 0

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw the curves and the figures."""
        performance = state.performance
        self.chance.setValue(performance.chance)
        self._say_figures(performance, state.n_decisions > 0)
        curve = performance.curve
        windows = performance.n - len(curve) + 1.0 + np.arange(len(curve))
        self.running.setData(windows, curve[:, 0])
        self.overall.setData(windows, curve[:, 1])
        if len(curve):
            self.plot.setXRange(windows[0], max(windows[-1], windows[0] + 1))

    def _say_figures(self, performance: Performance, decided: bool) -> None:
        theme = self.theme
        if not performance.n:
            self.figure.setText("no true labels" if decided else "–")
            self.say("")
            return
        self.figure.setText(
            f"<span style='color:{theme.accent}; font-weight:bold'>{performance.running:.0%}</span>"
            f"<span style='color:{theme.faint}; font-size:{0.9 * self.px:.0f}px'>"
            f" last {min(performance.n, RUNNING)}</span>"
        )
        self.say(f"all {performance.n}: {performance.overall:.1%}, chance {performance.chance:.1%}")

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.figure.setFont(font(2 * px))
        self.running.setPen(pen(theme.accent))
        self.overall.setPen(pen(theme.text))
        self.chance.setPen(pen(theme.truth, dashed=True))
