"""Accuracy beside chance, window after window."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtWidgets import QHBoxLayout

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
from rtdecode.gui.performance import RUNNING, Performance
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme


def few_ticks(low: float, high: float, most: int = 3) -> list[tuple[float, str]]:
    """At most so many round numbers of a span, with room between the longest of them."""
    steps = (factor * 10.0**power for power in range(9) for factor in (1, 2, 5))
    step = next(step for step in steps if high // step - -(-low // step) < most)
    first = -(-low // step) * step
    return [(at, f"{at:,.0f}") for at in np.arange(first, high + 0.5, step).tolist()]


def wide_span(first: float, last: float) -> tuple[float, float]:
    """A span about the windows `first` to `last` that stays the same for some while.

    Axes that move with each window cost more than the curves that lie on them.
    """
    step = max(2.0, 10.0 ** np.floor(np.log10(max(1.0, last - first + 1))) / 5)
    return float(first // step * step), float(last // step * step + step)


class AccuracyPanel(Panel):
    """How often the decoder is right."""

    key, title = "accuracy", "Accuracy"

    def __init__(self) -> None:
        super().__init__()
        self.figure, self.words = SteadyLabel("–"), SteadyLabel()
        self.words.setObjectName("note")
        self.words.setMinimumWidth(1)
        line = QHBoxLayout()
        line.setSpacing(10)
        line.addWidget(self.figure)
        line.addWidget(self.words, 1)
        self.plot = new_plot()
        self.overall, self.running = pg.PlotCurveItem(), pg.PlotCurveItem()
        self.chance = pg.InfiniteLine(angle=0)
        for item in (self.chance, self.overall, self.running):
            self.plot.addItem(item)
        self.plot.setYRange(0, 1.02)
        self.plot.getAxis("left").setTicks([[(p, f"{100 * p:g}%") for p in (0, 0.5, 1)]])
        self.plot.setLabel("bottom", "windows")
        self.box.addLayout(line)
        self.box.addWidget(self.plot, 1)

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many windows were judged."""
        return state.performance.n // state.stride, state.n_decisions > 0, state.ended

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
            low, high = wide_span(windows[0], windows[-1])
            show_range(self.plot, (low, high), (0, 1.02))
            show_ticks(self.plot, "bottom", few_ticks(low, high))

    def _say_figures(self, performance: Performance, decided: bool) -> None:
        self.say(f"chance {performance.chance:.1%}")
        if not performance.n:
            self.figure.setText("no true labels" if decided else "–")
            self.words.setText("")
            return
        self.figure.setText(f"{performance.running:.0%}")
        newest = min(performance.n, RUNNING)
        self.words.setText(f"of the last {newest}\n{performance.overall:.1%} of {performance.n:,}")

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.figure.setFont(font(2 * px, bold=True))
        self.figure.setStyleSheet(f"color: {theme.accent};")
        self.running.setPen(pen(theme.accent))
        self.overall.setPen(pen(theme.text))
        self.chance.setPen(pen(theme.truth, dashed=True))
