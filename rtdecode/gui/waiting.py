"""The page that is shown until there is a decoder: what is on the network, and what to choose."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rtdecode.gui.panels.base import font

HEADERS = ("stream", "type", "channels", "host", "what it is here")
ROLE_NAMES = {
    "rtdecode-spikes": "the spikes",
    "rtdecode-stimuli": "stimulus markers",
    "rtdecode-posterior": "a decoder",
    "rtdecode-decisions": "its decisions",
    "rtdecode-health": "its health",
    "rtdecode-triggers": "its triggers",
}


class WaitingPage(QWidget):
    """Says what is awaited and lists what is there."""

    chosen = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.heading = QLabel("Waiting for a decoder")
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        for label in (self.heading, self.advice):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.buttons = QVBoxLayout()
        self.table = _new_table()
        box = QVBoxLayout(self)
        box.setContentsMargins(40, 40, 40, 40)
        box.setSpacing(16)
        box.addWidget(self.heading)
        box.addWidget(self.advice)
        box.addLayout(self.buttons)
        box.addWidget(self.table, 1)
        self._shown: tuple[object, ...] = ()

    def show_found(
        self,
        rows: Sequence[tuple[str, str, int, str]],
        decoders: Sequence[str],
        message: str = "",
    ) -> None:
        """List streams (name, type, channels, host), and decoders to choose from."""
        if (shown := (tuple(rows), tuple(decoders), message)) == self._shown:
            return
        self._shown = shown
        self._fill_table(rows)
        self._offer(decoders)
        self.advice.setText(message or self._advice(len(rows), len(decoders)))

    def _advice(self, n_streams: int, n_decoders: int) -> str:
        if n_decoders > 1:
            return "Several decoders are on the network: choose one. The choice is remembered."
        if n_decoders == 1:
            return "A decoder is on the network: connecting …"
        if n_streams:
            return (
                f"{n_streams} streams are on the network, none of them a decoder's. "
                "Start one with: rtdecode decode BUNDLE"
            )
        return (
            "No stream is on the network yet. Start a source, and then: rtdecode decode BUNDLE. "
            "If they run on another computer, see: rtdecode doctor"
        )

    def _fill_table(self, rows: Sequence[tuple[str, str, int, str]]) -> None:
        self.table.setVisible(bool(rows))
        self.table.setRowCount(len(rows))
        for row, (name, kind, channels, host) in enumerate(rows):
            texts = (name, kind, str(channels), host, ROLE_NAMES.get(name, ""))
            for column, text in enumerate(texts):
                self.table.setItem(row, column, QTableWidgetItem(text))

    def _offer(self, decoders: Sequence[str]) -> None:
        while item := self.buttons.takeAt(0):
            if widget := item.widget():
                widget.deleteLater()
        for name in decoders if len(decoders) > 1 else ():
            button = QPushButton(name)
            button.clicked.connect(lambda _, name=name: self.chosen.emit(name))
            self.buttons.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)

    def set_text_px(self, px: int) -> None:
        """Scale the page's text."""
        self.heading.setFont(font(2.4 * px, bold=True))
        self.advice.setFont(font(1.2 * px))


def _new_table() -> QTableWidget:
    table = QTableWidget(0, len(HEADERS))
    table.setHorizontalHeaderLabels(HEADERS)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    down, across = table.verticalHeader(), table.horizontalHeader()
    # A header of no rows yet is false.
    if down is not None and across is not None:
        down.hide()
        across.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    return table
