"""The trigger: whether it may fire, what it did, and the buttons to arm and disarm it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QWidget,
)

from rtdecode.gui.panels.base import Panel, ShortLabel, SteadyLabel, font, restyle
from rtdecode.gui.reports import Policy
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme
from rtdecode.gui.triggers import WITHHELD, TriggerLog

#: Each mode with a sign of its own: colour alone says nothing.
MODES = {
    "disarmed": "■ DISARMED",
    "dry-run": "○ DRY RUN",
    "armed": "● ARMED",
    "sham": "◐ ARMED, SHAM",
}
#: Orders and what their buttons say; those that let it fire are asked about first.
ORDERS = {"arm": "Arm", "sham": "Sham", "dry-run": "Dry run", "disarm": "Disarm"}
ASKED_ABOUT = ("arm", "sham")
#: A question that nobody answers is withdrawn, seconds.
PATIENCE_S = 15.0
#: Reasons that have a line of their own; the rest share one.
LINES = 4
#: Answers that come first: what was done, or would have been. And how they are said.
DONE = {"fired": "fired", WITHHELD: WITHHELD, "dry run": "would have fired"}


class TriggerPanel(Panel):
    """May it fire, did it, and why not."""

    key, title = "trigger", "Trigger"
    ordered = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.mode = QLabel("–")
        self.mode.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.why, self.last = ShortLabel(), ShortLabel()
        self.dose = QProgressBar()
        self.reasons = [(ShortLabel(), SteadyLabel()) for _ in range(LINES + 1)]
        self.question = QLabel()
        self.asked: str | None = None
        self._asked_s, self._obstacle, self._said = 0.0, "", ""
        for label in (self.mode, self.question):
            label.setTextFormat(Qt.TextFormat.PlainText)
        for label in (self.why, self.last, self.question):
            label.setObjectName("note")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setMinimumWidth(1)
        self.question.setWordWrap(True)
        self.buttons = {command: QPushButton(text) for command, text in ORDERS.items()}
        self.yes, self.no = QPushButton("Yes"), QPushButton("No")
        self.choices = QStackedWidget()
        self.choices.addWidget(_in_a_row(*self.buttons.values()))
        self.choices.addWidget(_in_a_row(self.yes, self.no))
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(0, 1)
        for row, (name, count) in enumerate(self.reasons):
            name.setObjectName("key")
            count.setObjectName("value")
            grid.addWidget(name, row, 0)
            count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(count, row, 1)
        for widget in (self.mode, self.why, self.dose, self.last):
            self.box.addWidget(widget)
        self.box.addLayout(grid)
        self.box.addStretch(1)
        self.box.addWidget(self.question)
        self.box.addWidget(self.choices)

    def _listen(self) -> None:
        for command, button in self.buttons.items():
            button.clicked.connect(lambda _, command=command: self.ask(command))
        self.yes.clicked.connect(self.confirm)
        self.no.clicked.connect(self.withdraw)
        for button in (*self.buttons.values(), self.yes, self.no):
            # Else Space would press it, which is to pause.
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    # -- ordering ----------------------------------------------------------------------

    def ask(self, command: str) -> None:
        """Give an order; one that lets the trigger fire has to be confirmed."""
        self.asked = None
        if command not in ASKED_ABOUT:
            self._give(command)
        elif not self._obstacle:
            self.asked, self._asked_s = command, self._now_s
        self.forget()

    def confirm(self) -> None:
        """Give the order that was asked about."""
        if self.asked is not None:
            self._give(self.asked)
        self.withdraw()

    def withdraw(self) -> None:
        """Ask no more."""
        self.asked = None
        self.forget()

    def _give(self, command: str) -> None:
        self.tell(f"{ORDERS[command].lower()}: asking the decoder …")
        self.ordered.emit(command)

    def tell(self, text: str) -> None:
        """Say what came of an order."""
        self._said = text
        self.forget()

    def set_obstacle(self, text: str) -> None:
        """Say why the decoder takes no orders from here; empty where it does."""
        if text != self._obstacle:
            self._obstacle = text
            self.withdraw()

    # -- drawing -----------------------------------------------------------------------

    _now_s = 0.0

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The newest answer and report, and what is asked."""
        self._now_s = view.now_s
        if self.asked is not None and view.now_s - self._asked_s > PATIENCE_S:
            self.asked = None
        log, troubled = state.triggers, bool(state.trouble(view.now_s))
        return log.n // state.stride, log.policy, self.asked, troubled, self._given_ago(log, view)

    def _given_ago(self, log: TriggerLog, view: View) -> int | None:
        return None if log.given is None else int(view.now_s - log.given_s)

    def redraw(self, state: DisplayState, view: View) -> None:
        """Write how it stands."""
        log, totals = state.triggers, state.triggers.totals
        self._show_mode(totals, state.ended or bool(state.trouble(view.now_s)))
        self._show_dose(totals)
        self.last.setText(self._last(log, view))
        self._show_reasons(totals.reasons)
        self._show_orders(state, totals)
        self.say(f"fires at {' + '.join(totals.classes)}" if totals.classes else "")

    def _show_mode(self, totals: Policy, is_old: bool) -> None:
        theme = self.theme
        text = MODES.get(totals.mode, totals.mode.upper() or "–")
        grounds = {"armed": theme.truth, "sham": theme.truth, "dry-run": theme.accent}
        ground = theme.panel if is_old else grounds.get(totals.mode, theme.panel)
        plain = ground == theme.panel
        ink = theme.faint if is_old else theme.text if plain else theme.panel
        said = f"{text} ?" if is_old and totals.mode else text
        if self.mode.text() != said:
            self.mode.setText(said)
        restyle(
            self.mode,
            f"background: {ground}; color: {ink}; border: 1px solid {theme.line};"
            "border-radius: 4px; padding: 2px;",
        )
        self.why.setText("when last heard of" if is_old and totals.mode else totals.why)

    def _show_dose(self, totals: Policy) -> None:
        most = max(1, totals.per_session)
        self.dose.setVisible(totals.per_session > 0)
        self.dose.setRange(0, most)
        self.dose.setValue(min(most, totals.given))
        self.dose.setFormat(f"{totals.given:,} of {totals.per_session:,} given")

    def _last(self, log: TriggerLog, view: View) -> str:
        if log.given is not None:
            what = "fired" if log.given.fired else "withheld"
            ago = self._given_ago(log, view)
            return f"last {what} {ago} s ago, p = {log.given.p:.2f}"
        if log.newest is not None and np.isfinite(log.newest.p):
            return f"now p = {log.newest.p:.2f}"
        return ""

    def _show_reasons(self, reasons: Mapping[str, int]) -> None:
        for (name, count), said in zip(self.reasons, reason_lines(reasons), strict=True):
            name.setText(said[0])
            count.setText(said[1])

    def _show_orders(self, state: DisplayState, totals: Policy) -> None:
        self.choices.setCurrentIndex(0 if self.asked is None else 1)
        for command, button in self.buttons.items():
            button.setEnabled(not self._obstacle)
            button.setVisible(command != "sham" or bool(totals.classes))
        if self.asked is None:
            self._say_below(self._obstacle or self._said)
            return
        share = ", withholding a share" if self.asked == "sham" else ""
        who = state.decoder.control or "the decoder"
        self.yes.setText("Yes, arm it")
        self._say_below(f"Arm {who}{share}? It fires at {' + '.join(totals.classes)}.")

    def _say_below(self, text: str) -> None:
        if self.question.text() != text:
            self.question.setText(text)

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        self.mode.setFont(font(1.9 * px, bold=True))
        self.dose.setFont(font(0.9 * px))
        self.dose.setFixedHeight(round(1.5 * px))
        self.dose.setStyleSheet(
            f"QProgressBar {{ background: {theme.background}; color: {theme.text};"
            f"border: 1px solid {theme.line}; text-align: center; }}"
            f"QProgressBar::chunk {{ background: {theme.other}; }}"
        )


def _in_a_row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(4)
    for widget in widgets:
        line.addWidget(widget)
    return row


def reason_lines(reasons: Mapping[str, int]) -> list[tuple[str, str]]:
    """A line for what was given and for the commonest refusals, and one for the rest."""
    done = [(said, reasons[name]) for name, said in DONE.items() if reasons.get(name)]
    refused = [(name, n) for name, n in reasons.items() if n and name not in DONE]
    rows = done + sorted(refused, key=lambda row: -row[1])
    if len(rows) > LINES + 1:
        rest = sum(n for _, n in rows[LINES:])
        rows = [*rows[:LINES], ("other reasons", rest)]
    lines = [(name, f"{n:,}") for name, n in rows]
    return lines + [("", "")] * (LINES + 1 - len(lines))
