"""A real window without a screen, with settings of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rtdecode.gui.packets import Batch, DecoderInfo
from rtdecode.gui.state import DisplayState
from rtdecode.gui.window import DisplayWindow
from tests.gui import known

NewWindow = Callable[[], DisplayWindow]


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """Where the window of this test keeps its settings."""
    return tmp_path / "display.ini"


@pytest.fixture
def new_window(qtbot: QtBot, ini: Path) -> NewWindow:
    """Open a window on the settings of this test."""

    def make() -> DisplayWindow:
        settings = QSettings(str(ini), QSettings.Format.IniFormat)
        window = DisplayWindow(settings, pictures=ini.parent)
        qtbot.addWidget(window)
        window.show()
        QApplication.processEvents()
        return window

    return make


class Shown:
    """A window and the state it shows, on a clock that the test moves."""

    def __init__(self, window: DisplayWindow, decoder: DecoderInfo = known.DECODER) -> None:
        self.window, self.state, self.now_s = window, DisplayState(decoder), 100.0
        self.give(Batch(units=known.units()))

    def give(self, *batches: Batch, after_s: float = 0.0) -> None:
        """Let batches arrive, and draw a frame."""
        self.now_s += after_s
        for batch in batches:
            self.state.apply(batch, self.now_s)
        for _ in range(2):  # the first frame may change the layout that the second draws in
            self.window.draw(self.state, self.now_s)
            QApplication.processEvents()


@pytest.fixture
def shown(new_window: NewWindow) -> Iterator[Shown]:
    """A window that shows a decoder of four classes and eight units."""
    return Shown(new_window())
