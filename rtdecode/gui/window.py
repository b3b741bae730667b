"""The window: a frame that turns red, a header, and the panels in docks."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from PyQt6.QtCore import QByteArray, QSettings, Qt
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PyQt6.QtWidgets import (
    QComboBox,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from rtdecode.gui.panels.base import Panel, font
from rtdecode.gui.panels.health import HealthPanel
from rtdecode.gui.panels.history import HistoryPanel
from rtdecode.gui.panels.latency import LatencyPanel
from rtdecode.gui.panels.performance import AccuracyPanel
from rtdecode.gui.panels.posterior import PosteriorPanel
from rtdecode.gui.panels.raster import RasterPanel
from rtdecode.gui.state import DisplayState, Trouble, View
from rtdecode.gui.theme import DARK, LIGHT, THEMES, Theme, stylesheet, text_px
from rtdecode.gui.waiting import WaitingPage

SIZE = (1200, 900)
#: Layout version: a saved layout of another version is not restored.
LAYOUT = 1
SCROLL_US = 1_000_000
FRAME_PX = 6


class DisplayWindow(QMainWindow):
    """Draws a `DisplayState`; knows nothing of where it comes from.

    Parameters
    ----------
    settings : QSettings
        Where theme, layout and chosen decoder are kept.
    """

    def __init__(self, settings: QSettings) -> None:
        super().__init__()
        self.setWindowTitle("rtdecode")
        self.settings = settings
        self.theme = THEMES.get(str(settings.value("theme", "dark")), DARK)
        self.state: DisplayState | None = None
        self.view = View(0, 0.0)
        self._paused_us: int | None = None
        self._px = text_px(SIZE[1])
        self.panels: dict[str, Panel] = {panel.key: panel for panel in _new_panels()}
        self._build()
        self._shortcuts()
        self.resize(*SIZE)
        self._default_layout = self._lay_out()
        self.restore_layout()
        self.set_theme(self.theme)

    # -- building ----------------------------------------------------------------------

    def _build(self) -> None:
        self.waiting = WaitingPage()
        self.docks_window = QMainWindow()
        self.docks_window.setDockNestingEnabled(True)
        self.docks = {key: _dock(panel, self.docks_window) for key, panel in self.panels.items()}
        self.pages = QStackedWidget()
        self.pages.addWidget(self.waiting)
        self.pages.addWidget(self.docks_window)
        self.frame = QFrame()
        self.frame.setObjectName("alarm")
        box = QVBoxLayout(self.frame)
        box.setContentsMargins(FRAME_PX, FRAME_PX, FRAME_PX, FRAME_PX)
        box.setSpacing(4)
        box.addLayout(self._header())
        box.addWidget(self.pages, 1)
        self.setCentralWidget(self.frame)

    def _header(self) -> QHBoxLayout:
        self.banner = QLabel("rtdecode")
        self.banner.setObjectName("banner")
        self.chooser = QComboBox()
        self.chooser.hide()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setCheckable(True)
        self.pause_button.clicked.connect(self.set_paused)
        for widget in (self.chooser, self.pause_button):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = QHBoxLayout()
        header.addWidget(self.banner, 1)
        header.addWidget(self.chooser)
        header.addWidget(self.pause_button)
        return header

    def _shortcuts(self) -> None:
        actions = {
            "Space": lambda: self.set_paused(self._paused_us is None),
            "T": lambda: self.set_theme(LIGHT if self.theme is DARK else DARK),
            "L": self.reset_layout,
            "Left": lambda: self.scroll_view(-SCROLL_US),
            "Right": lambda: self.scroll_view(SCROLL_US),
            "F": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
        }
        for key, action in actions.items():
            QShortcut(QKeySequence(key), self).activated.connect(action)

    def _lay_out(self) -> QByteArray:
        inner, docks = self.docks_window, self.docks
        left, top = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.Orientation.Horizontal
        down = Qt.Orientation.Vertical
        inner.addDockWidget(left, docks["posterior"])
        inner.splitDockWidget(docks["posterior"], docks["history"], top)
        inner.splitDockWidget(docks["posterior"], docks["health"], down)
        inner.splitDockWidget(docks["history"], docks["raster"], down)
        inner.splitDockWidget(docks["raster"], docks["accuracy"], down)
        inner.splitDockWidget(docks["accuracy"], docks["latency"], top)
        width, height = SIZE
        _share(inner, [docks["posterior"], docks["history"]], top, (0.34, 0.66), width)
        _share(inner, [docks["posterior"], docks["health"]], down, (0.64, 0.36), height)
        rows = [docks["history"], docks["raster"], docks["accuracy"]]
        _share(inner, rows, down, (0.3, 0.42, 0.28), height)
        _share(inner, [docks["accuracy"], docks["latency"]], top, (0.4, 0.6), 0.66 * width)
        return inner.saveState(LAYOUT)

    # -- drawing -----------------------------------------------------------------------

    def draw(self, state: DisplayState | None, now_s: float) -> None:
        """Show the newest state at `now_s`, seconds of a steady clock."""
        self.state = state
        self.pages.setCurrentIndex(0 if state is None else 1)
        if state is None:
            self._show_trouble(None, now_s)
            return
        end_us = state.live_us if self._paused_us is None else self._paused_us
        self.view = View(end_us, now_s, self._paused_us is not None)
        self._show_trouble(state.trouble(now_s), now_s)
        for key, panel in self.panels.items():
            if self.docks[key].isVisible():
                panel.draw(state, self.view)

    def _show_trouble(self, trouble: Trouble | None, now_s: float) -> None:
        bad = trouble is not None
        if bad != self.frame.property("bad"):
            self.frame.setProperty("bad", bad)
            self._restyle()
        text = self._banner_text(trouble)
        if text != self.banner.text():
            self.banner.setText(text)

    def _banner_text(self, trouble: Trouble | None) -> str:
        if trouble:
            since = datetime.now().astimezone() - timedelta(seconds=trouble.age_s)
            return f"▲ STALE since {since:%H:%M:%S}: {trouble.what} for {trouble.age_s:.1f} s"
        if self.state is None:
            return "rtdecode"
        decoder = self.state.decoder
        parts = [decoder.task or decoder.name]
        if decoder.window:
            parts.append(decoder.window)
        if self.state.ended:
            parts.append("run ended")
        if self.view.paused:
            behind_s = (self.state.live_us - self.view.end_us) * 1e-6
            parts.append(f"PAUSED, {behind_s:.1f} s back")
        return "   ".join(parts)

    def set_paused(self, paused: bool) -> None:
        """Let time stand still on the screen, or go on live."""
        self._paused_us = self.state.live_us if paused and self.state else None
        self.pause_button.setChecked(self._paused_us is not None)

    def scroll_view(self, by_us: int) -> None:
        """Move what is shown through what is kept; pauses first."""
        if self.state is None:
            return
        if self._paused_us is None:
            self.set_paused(True)
        self._paused_us = min(self.state.live_us, (self._paused_us or 0) + by_us)

    # -- looks -------------------------------------------------------------------------

    def set_theme(self, theme: Theme) -> None:
        """Change the colours, and remember them."""
        self.theme = theme
        self.settings.setValue("theme", theme.name)
        self._restyle()
        for panel in self.panels.values():
            panel.set_look(theme, self._px)

    def _restyle(self) -> None:
        theme, px = self.theme, self._px
        bad = bool(self.frame.property("bad"))
        frame, ground = (theme.bad, theme.bad) if bad else (theme.background, theme.background)
        text = "#ffffff" if bad else theme.text
        self.setFont(font(px))
        self.setStyleSheet(stylesheet(theme, px))
        self.frame.setStyleSheet(f"QFrame#alarm {{ border: {FRAME_PX}px solid {frame}; }}")
        self.banner.setStyleSheet(f"background: {ground}; color: {text}; padding: 2px 8px;")
        self.banner.setFont(font(1.3 * px, bold=True))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Scale the text with the window."""
        super().resizeEvent(event)
        px = text_px(self.height())
        if px != self._px:
            self._px = px
            self.waiting.set_text_px(px)
            self.set_theme(self.theme)

    # -- layout ------------------------------------------------------------------------

    def reset_layout(self) -> None:
        """Put the panels back where they were at first."""
        self.docks_window.restoreState(self._default_layout, LAYOUT)

    def save_layout(self) -> None:
        """Remember window and panels."""
        self.settings.setValue("geometry", self.saveGeometry())
        self.settings.setValue("layout", self.docks_window.saveState(LAYOUT))
        self.settings.sync()

    def restore_layout(self) -> bool:
        """Put window and panels where they were; False if nothing was remembered."""
        geometry, layout = self.settings.value("geometry"), self.settings.value("layout")
        if not isinstance(geometry, QByteArray) or not isinstance(layout, QByteArray):
            return False
        self.restoreGeometry(geometry)
        return bool(self.docks_window.restoreState(layout, LAYOUT))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Remember the layout."""
        self.save_layout()
        super().closeEvent(event)

    def save_picture(self, path: Path) -> None:
        """Save the window as a picture.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.grab().save(str(path)):
            raise OSError(f"the picture could not be written to {path}: is its ending .png?")


def _new_panels() -> list[Panel]:
    return [
        PosteriorPanel(),
        HistoryPanel(),
        RasterPanel(),
        AccuracyPanel(),
        LatencyPanel(),
        HealthPanel(),
    ]


def _dock(panel: Panel, window: QWidget) -> QDockWidget:
    dock = QDockWidget(panel.title, window)
    dock.setObjectName(panel.key)
    dock.setWidget(panel)
    dock.setTitleBarWidget(panel.bar)
    dock.setFeatures(
        QDockWidget.DockWidgetFeature.DockWidgetMovable
        | QDockWidget.DockWidgetFeature.DockWidgetFloatable
    )
    return dock


def _share(
    window: QMainWindow,
    docks: list[QDockWidget],
    way: Qt.Orientation,
    shares: tuple[float, ...],
    total: float,
) -> None:
    window.resizeDocks(docks, [round(share * total) for share in shares], way)
