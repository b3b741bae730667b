"""The decision, large, and the probability of the classes as bars."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt

from rtdecode.gui.packets import Decision
from rtdecode.gui.panels.base import (
    Panel,
    ShortLabel,
    colour_plot,
    font,
    new_plot,
    refont,
    restyle,
    show_range,
    show_ticks,
)
from rtdecode.gui.panels.items import BarItem
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme

#: Up to so many classes keep their places; of more, the top ten by name and the rest as one.
FEW, TOP = 12, 10
REST = "rest"


@dataclass(frozen=True)
class Bars:
    """Names and lengths of the bars, from the top down."""

    names: tuple[str, ...]
    values: NDArray[np.float64]


def bars_of(classes: tuple[str, ...], probabilities: NDArray[np.float32]) -> Bars:
    """Choose the bars: all in their order, or the top ten and the rest summed."""
    values = np.nan_to_num(np.asarray(probabilities, np.float64), nan=0.0)
    if len(classes) <= FEW:
        return Bars(classes, values)
    top = np.argsort(-values, kind="stable")[:TOP]
    rest = max(0.0, float(values.sum() - values[top].sum()))
    names = (*(classes[i] for i in top), f"{REST} ({len(classes) - TOP})")
    return Bars(names, np.r_[values[top], rest])


class PosteriorPanel(Panel):
    """What the animal sees, by the decoder."""

    key, title = "posterior", "Decision"

    def __init__(self) -> None:
        super().__init__()
        self.decision = ShortLabel("–")
        self.decision.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.under = ShortLabel("no window decoded yet")
        self.under.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.plot = new_plot()
        self.bars = BarItem(x0=[], y=[], height=0.8, width=[])
        self.plot.addItem(self.bars)
        self.plot.setXRange(0, 1)
        self.plot.invertY(True)
        self.plot.getAxis("bottom").setTicks([[(p, f"{p:g}") for p in (0, 0.5, 1)]])
        self.box.addWidget(self.decision)
        self.box.addWidget(self.under)
        self.box.addWidget(self.plot, 1)
        self.shown_bars = Bars((), np.empty(0))
        self.is_old = True
        self._named: Hashable = None

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The decision, and whether it still speaks of now."""
        decision = state.decision_at(view.end_us)
        return decision, self._old(state, view), self.width(), self.height()

    def _old(self, state: DisplayState, view: View) -> bool:
        """Whether two usual intervals have gone by without a decision, or data have stopped."""
        if view.paused:
            return False
        if state.trouble(view.now_s):
            return True
        return state.decision_age_s(view.now_s) > max(2.0, 2.0 * state.interval_us * 1e-6)

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw decision and bars; grey when old."""
        decision, probabilities = (
            state.decision_at(view.end_us),
            state.posterior_at(view.end_us),
        )
        self.is_old = self._old(state, view)
        self._show_decision(decision)
        if probabilities is not None:
            self._show_bars(bars_of(state.decoder.classes, probabilities), decision)

    def _show_decision(self, decision: Decision | None) -> None:
        text = (decision.top if decision else "") or "–"
        colour = self.theme.faint if self.is_old else self.theme.accent
        self.decision.setText(text)
        restyle(self.decision, f"color: {colour};")
        room = self.width() - 40
        px = min(self.px * 4.0, self.height() * 0.2, room / max(2.0, 0.62 * len(text)))
        refont(self.decision, font(px, bold=True))
        self.under.setText(self._under(decision))

    def _under(self, decision: Decision | None) -> str:
        if decision is None:
            return "no window decoded yet"
        parts = [f"p = {decision.p:.2f}" if np.isfinite(decision.p) else "no probability"]
        if decision.label:
            sign = "✓" if decision.correct else "✗"
            parts.append(f"true {decision.label} {sign}")
        if decision.is_early:
            parts.append(f"after {(decision.end_us - decision.onset_us) / 1000:g} ms")
        if not decision.complete:
            parts.append("incomplete")
        if self.is_old:
            parts.append("OLD")
        return "   ".join(parts)

    def _show_bars(self, bars: Bars, decision: Decision | None) -> None:
        n = len(bars.names)
        self.bars.setOpts(
            x0=np.zeros(n),
            y=np.arange(n, dtype=float),
            width=bars.values,
            height=0.8,
            brushes=[self._colour(name, decision) for name in bars.names],
            pen=None,
        )
        named = (bars.names, self.plot.height(), self.px)
        if named != self._named:
            self._named = named
            self._name_bars(bars.names)
        self.shown_bars = bars

    def _colour(self, name: str, decision: Decision | None) -> str:
        if self.is_old or decision is None:
            return self.theme.other
        if name == decision.top:
            return self.theme.accent
        return self.theme.truth if name == decision.label else self.theme.other

    def _name_bars(self, names: tuple[str, ...]) -> None:
        show_ticks(self.plot, "left", [(float(i), name) for i, name in enumerate(names)])
        show_range(self.plot, (0, 1), (-0.6, len(names) - 0.4))
        row_px = self.plot.getPlotItem().getViewBox().rect().height() / max(1, len(names))
        self.plot.getAxis("left").setTickFont(font(min(0.85 * self.px, 0.85 * row_px)))

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.under.setFont(font(1.35 * px))
