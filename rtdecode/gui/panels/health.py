"""What the decoder says of itself, and how old what is shown is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from html import escape

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QLabel

from rtdecode.gui.messages import SPIKE_KINDS
from rtdecode.gui.panels.base import (
    Panel,
    ShortLabel,
    SteadyLabel,
    colour_plot,
    font,
    new_plot,
    pen,
    restyle,
    show_range,
    show_ticks,
)
from rtdecode.gui.reports import Health, Stream
from rtdecode.gui.state import TROUBLED, DisplayState, View
from rtdecode.gui.theme import Theme
from rtdecode.gui.triggers import TriggerLog

SIGNS = {
    "DECODING": "●",
    "READY": "●",
    "WAITING": "○",
    "STALE": "▲",
    "FAULTED": "✖",
    "STOPPED": "■",
}
#: With which a replay's names of probes begin; it says nothing, and takes a line.
USUAL_START = "rtdecode-spikes-"
#: Rows of the table: what is said, and of which count of spikes.
FIGURES = ("data age", "spikes/s", "watermark lag", "windows", "triggers")


class HealthPanel(Panel):
    """Whether what is shown can be trusted."""

    key, title = "health", "Health"
    _n_rates = -1

    def __init__(self) -> None:
        super().__init__()
        self.state_label = ShortLabel("○ WAITING")
        self.values = {name: SteadyLabel("–") for name in (*FIGURES, *SPIKE_KINDS)}
        self.plot = new_plot()
        self.plot.hideAxis("bottom")
        self.rate = pg.PlotCurveItem()
        self.plot.addItem(self.rate)
        self.box.addWidget(self.state_label)
        self.more = QLabel()
        self.more.setObjectName("key")
        self.more.setWordWrap(True)
        self.more.hide()
        self.table = self._grid()
        self.box.addLayout(self.table)
        self.box.addWidget(self.more)
        self.box.addWidget(self.plot, 1)
        self.box.addStretch(0)

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setVerticalSpacing(0)
        grid.setHorizontalSpacing(8)
        for column, names in enumerate((FIGURES, SPIKE_KINDS)):
            for row, name in enumerate(names):
                key = QLabel(name.replace("_", " "))
                key.setObjectName("key")
                value = self.values[name]
                value.setObjectName("value")
                value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(key, row, 2 * column)
                grid.addWidget(value, row, 2 * column + 1)
            grid.setColumnStretch(2 * column + 1, 1)
        return grid

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The newest report, and the age to a tenth of a second."""
        age_s = self._age_s(state, view)
        aged = None if age_s is None else round(age_s, 1 if age_s > 0.2 else 0)
        return (
            state.n_healths,
            aged,
            state.triggers.n,
            state.bridge,
            bool(state.trouble(view.now_s)),
            state.ended,
        )

    def _age_s(self, state: DisplayState, view: View) -> float | None:
        return state.freshness.age_s("spikes", view.now_s)

    def redraw(self, state: DisplayState, view: View) -> None:
        """Write the figures and draw the spike rate."""
        self._write("data age", age_text(self._age_s(state, view)))
        self._write("triggers", triggers_text(state.triggers))
        self._show_state(state, view)
        if state.health:
            self._show_health(state.health, state)
        text = "<br>".join(more_lines(state, self.theme.bad))
        if self.more.text() != text:
            self.more.setVisible(bool(text))
            self.more.setText(text)
        self._share_room()

    def _share_room(self) -> None:
        """The curve gives way where the lines need its place."""
        lines = self.state_label.sizeHint().height() + self.table.sizeHint().height()
        if self.more.text():
            lines += self.more.heightForWidth(self.more.width())
        self.plot.setVisible(self.height() >= lines + self.plot.minimumHeight() + self.px)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        self._share_room()

    def _show_state(self, state: DisplayState, view: View) -> None:
        said = state.health.state if state.health else "WAITING"
        if state.ended:
            said = "STOPPED"
        elif state.trouble(view.now_s) and said not in TROUBLED:
            said = "STALE"
        theme = self.theme
        colours = {"DECODING": theme.good, "READY": theme.good, "STALE": theme.bad}
        colour = colours.get(said, theme.bad if said == "FAULTED" else theme.warn)
        self.state_label.setText(f"{SIGNS.get(said, '?')} {said}")
        restyle(self.state_label, f"color: {colour};")

    def _show_health(self, health: Health, state: DisplayState) -> None:
        self._write("spikes/s", whole(state.rates.now))
        lag_ms = health.watermark_lag_ms
        self._write("watermark lag", f"{whole(lag_ms)} ms" if np.isfinite(lag_ms) else "–")
        self._write("windows", windows_text(health))
        for kind in SPIKE_KINDS:
            count = health.spikes.get(kind, 0)
            self._write(kind, f"{count:,}")
            bad = bool(count) and kind != "on_time"
            restyle(self.values[kind], f"color: {self.theme.warn};" if bad else "")
        if self._n_rates != state.rates.n:
            self._n_rates = state.rates.n
            self._draw_rates(state.rates.curve)

    def _draw_rates(self, rates: NDArray[np.float64]) -> None:
        most = float(np.nanmax(rates, initial=1.0))
        self.rate.setData(np.arange(len(rates), dtype=float), rates, connect="finite")
        top = round_up(most)
        show_range(self.plot, (0, max(1, len(rates) - 1)), (-0.1 * top, 1.1 * top))
        show_ticks(self.plot, "left", [(0.0, "0"), (top, f"{thousands(top)}/s")])

    def _write(self, name: str, text: str) -> None:
        self.values[name].setText(text)

    def forget(self) -> None:
        """Draw anew at the next frame, whatever has changed."""
        super().forget()
        self._n_rates = -1

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        # Both figures reach half a line over the ends of their axis.
        self.plot.getPlotItem().setContentsMargins(0, px // 2, 14, px // 2)
        self.plot.getAxis("left").setStyle(hideOverlappingLabels=px // 2)
        self.plot.setMinimumHeight(3 * px)
        self.state_label.setFont(font(1.6 * px, bold=True))
        self.rate.setPen(pen(theme.accent))


def windows_text(health: Health) -> str:
    """How many windows were decided, and how many not as they should."""
    kinds = {
        "incomplete": health.windows_incomplete,
        "skipped": health.skipped,
        "faulted": health.faulted,
    }
    return ", ".join([f"{health.windows:,}", *(f"{n:,} {kind}" for kind, n in kinds.items() if n)])


def more_lines(state: DisplayState, bad: str) -> list[str]:
    """What is told beyond what every decoder tells, as lines of rich text."""
    lines, health, bridge = [], state.health, state.bridge
    if health is not None and len(health.streams) > 1:
        lines.append("probes: " + ", ".join(_stream_text(s, bad) for s in health.streams))
    if health is not None:
        # One host may send several streams, all by one clock.
        lines += dict.fromkeys(_stream_text(clock, bad) for clock in health.clocks)
    if health is not None and health.record:
        lines.append(f"record {escape(health.record)}")
    if bridge is not None:
        told = [_numbers_text(bridge.extras), *(_stream_text(s, bad) for s in bridge.streams)]
        lines.append(f"bridge {escape(bridge.state)}: " + ", ".join(filter(None, told)))
    if health is not None and health.extras:
        lines.append(_numbers_text(health.extras))
    return lines


def _stream_text(stream: Stream, bad: str) -> str:
    name = escape(stream.name.removeprefix(USUAL_START))
    numbers = _numbers_text(stream.numbers)
    if stream.silent:
        age = f" for {stream.age_ms / 1_000:.1f} s" if np.isfinite(stream.age_ms) else ""
        return f"<span style='color: {bad}'>▲ {name} silent{age}</span>"
    return f"{name} {numbers}" if numbers else f"{name} ●"


def _numbers_text(numbers: Mapping[str, float]) -> str:
    """Numbers by the names they were told under."""
    return " ".join(f"{escape(name.replace('_', ' '))} {n:g}" for name, n in numbers.items())


def triggers_text(log: TriggerLog) -> str:
    """How many triggers were given and refused, in few words."""
    if log.policy is not None and not log.can_fire:
        return "none set up"
    totals = log.totals
    withheld = f", {totals.withheld:,} withheld" if totals.withheld else ""
    return f"{totals.fired:,} fired{withheld}, {totals.refused:,} refused"


def age_text(age_s: float | None) -> str:
    """An age for people: under 0.2 s it is simply live."""
    if age_s is None:
        return "–"
    return "live" if age_s < 0.2 else f"{age_s:.1f} s" if age_s < 60 else f"{age_s / 60:.0f} min"


def thousands(value: float) -> str:
    """A count in at most four signs."""
    return f"{value:.0f}" if value < 1_000 else f"{value / 1_000:.3g}k"


def round_up(value: float) -> float:
    """The next number with one digit, or one and a half, that is no less."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(n * power for n in (1.0, 1.5, 2, 3, 4, 5, 6, 8, 10) if n * power >= value))


def whole(value: float) -> str:
    """A whole number with thousands set apart; a dash for none."""
    return f"{value:,.0f}" if np.isfinite(value) else "–"
