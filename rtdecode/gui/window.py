"""The window: a frame that turns red, a header, the panels, and the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from PyQt6.QtCore import QByteArray, QSettings, Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PyQt6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
)

from rtdecode.gui.docks import Docks
from rtdecode.gui.panels.base import font
from rtdecode.gui.panels.stimulus import StimulusPanel
from rtdecode.gui.panels.trigger import TriggerPanel
from rtdecode.gui.state import DisplayState, Trouble, View
from rtdecode.gui.theme import DARK, LIGHT, THEMES, Theme, stylesheet, text_px
from rtdecode.gui.waiting import WaitingPage

SIZE, LEAST_SIZE = (1200, 900), (480, 360)
SCROLL_US = 1_000_000
FRAME_PX = 6
KEYS = (
    ("Space", "pause"),
    ("← →", "scroll"),
    ("End", "live"),
    ("P", "save picture"),
    ("T", "light or dark"),
    ("D", "next decoder"),
    ("0–9", "panels"),
    ("L", "first layout"),
    ("F", "full screen"),
    ("A", "arm"),
    ("Y", "dry run"),
    ("X", "disarm"),
    ("Q", "quit"),
)


class DisplayWindow(QMainWindow):
    """Draws a `DisplayState`; knows nothing of where it comes from.

    Parameters
    ----------
    settings : QSettings
        Where theme, layout and chosen decoder are kept.
    image_files : mapping of str to Path, optional
        Pictures of stimuli by label.
    pictures : Path, optional
        Folder for pictures saved by key.
    """

    decoder_chosen = pyqtSignal(str)

    def __init__(
        self,
        settings: QSettings,
        image_files: Mapping[str, Path] | None = None,
        pictures: Path = Path(),
    ) -> None:
        super().__init__()
        self.setWindowTitle("rtdecode")
        self.settings, self.pictures = settings, pictures
        self.theme = THEMES.get(str(settings.value("theme", "")), DARK)
        self.state: DisplayState | None = None
        self.view = View(0, 0.0)
        self._paused_us: int | None = None
        self._px = text_px(*SIZE)
        self._said, self._said_until_s = "", 0.0
        self._arranged = False
        self.docks = Docks(image_files or {})
        self.panels = self.docks.panels
        trigger = self.panels["trigger"]
        assert isinstance(trigger, TriggerPanel)
        self.trigger = trigger
        self.waiting = WaitingPage()
        self.waiting.chosen.connect(self.choose_decoder)
        self._build()
        self._listen_to_keys()
        self.resize(*SIZE)
        geometry = settings.value("geometry")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        self.set_theme(self.theme)

    # -- building ----------------------------------------------------------------------

    def _build(self) -> None:
        self.pages = QStackedWidget()
        self.pages.addWidget(self.waiting)
        self.pages.addWidget(self.docks)
        self.keys = QLabel(" &nbsp; ".join(f"<b>{key}</b> {what}" for key, what in KEYS))
        self.keys.setObjectName("keys")
        self.keys.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.keys.setMinimumWidth(1)
        self.frame = QFrame()
        self.frame.setObjectName("alarm")
        box = QVBoxLayout(self.frame)
        # The panels' least size is that of the text before it shrinks with the window.
        box.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumSize(*LEAST_SIZE)
        box.setContentsMargins(FRAME_PX, FRAME_PX, FRAME_PX, FRAME_PX)
        box.setSpacing(2)
        box.addLayout(self._header())
        box.addWidget(self.pages, 1)
        box.addWidget(self.keys)
        self.setCentralWidget(self.frame)

    def _header(self) -> QHBoxLayout:
        self.banner = QLabel("rtdecode")
        self.banner.setMinimumWidth(1)
        # What is said on the network is no markup.
        self.banner.setTextFormat(Qt.TextFormat.PlainText)
        self.chooser = QComboBox()
        self.chooser.hide()
        self.chooser.textActivated.connect(self.choose_decoder)
        self.back, self.pause, self.forth = QPushButton("◀"), QPushButton("Pause"), QPushButton("▶")
        self.pause.setCheckable(True)
        self.pause.clicked.connect(self.set_paused)
        self.back.clicked.connect(lambda: self.scroll_view(-SCROLL_US))
        self.forth.clicked.connect(lambda: self.scroll_view(SCROLL_US))
        header = QHBoxLayout()
        header.addWidget(self.banner, 1)
        for widget in (self.chooser, self.back, self.pause, self.forth):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            header.addWidget(widget)
        return header

    def _listen_to_keys(self) -> None:
        actions: dict[str, Callable[[], object]] = {
            "Space": lambda: self.set_paused(self._paused_us is None),
            "Left": lambda: self.scroll_view(-SCROLL_US),
            "Right": lambda: self.scroll_view(SCROLL_US),
            "End": lambda: self.set_paused(False),
            "P": self.save_dated_picture,
            "T": lambda: self.set_theme(LIGHT if self.theme is DARK else DARK),
            "D": self.next_decoder,
            "L": self.docks.arrange,
            "F": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            "Q": self.close,
            "A": lambda: self.trigger.ask("arm"),
            "Y": lambda: self.trigger.ask("dry-run"),
            "X": lambda: self.trigger.ask("disarm"),
            "Return": self.trigger.confirm,
            "Escape": self.trigger.withdraw,
        }
        for key, action in actions.items():
            QShortcut(QKeySequence(key), self).activated.connect(action)
        for number in range(len(self.panels)):
            shortcut = QShortcut(QKeySequence(str((number + 1) % 10)), self)
            shortcut.activated.connect(lambda number=number: self.docks.toggle(number))

    # -- drawing -----------------------------------------------------------------------

    def draw(self, state: DisplayState | None, now_s: float) -> None:
        """Show the newest state at `now_s`, seconds of a steady clock."""
        if state is not self.state:
            self._begin(state)
        if state is None:
            return
        end_us = state.live_us if self._paused_us is None else self._paused_us
        self.view = View(end_us, now_s, self._paused_us is not None)
        self._show_banner(state.trouble(now_s), now_s)
        self.docks.want("trigger", state.triggers.can_fire)
        for key, panel in self.panels.items():
            if self.docks.docks[key].isVisible():
                panel.draw(state, self.view)

    def _begin(self, state: DisplayState | None) -> None:
        """Another decoder, or none: start from nothing."""
        self.state = state
        self.set_paused(False)
        self.pages.setCurrentIndex(0 if state is None else 1)
        for panel in self.panels.values():
            panel.forget()
        stimulus = self.panels["stimulus"]
        if state and isinstance(stimulus, StimulusPanel):
            drawable = stimulus.can_draw(state.decoder.task, state.decoder.classes)
            self.docks.want("stimulus", drawable)

    def _show_banner(self, trouble: Trouble | None, now_s: float) -> None:
        notice = self.state.notice if self.state and not trouble and not self.state.ended else ""
        looks = (trouble is not None, bool(notice))
        if looks != (self.frame.property("bad"), self.frame.property("warned")):
            self.frame.setProperty("bad", looks[0])
            self.frame.setProperty("warned", looks[1])
            self._colour_frame()
        calm = f"⚠ {notice}" if notice else self._calm_text(now_s)
        text = self._trouble_text(trouble) if trouble else calm
        if text != self.banner.text():
            self.banner.setText(text)

    def _trouble_text(self, trouble: Trouble) -> str:
        since = datetime.now().astimezone() - timedelta(seconds=trouble.age_s)
        return f"▲ STALE since {since:%H:%M:%S}: {trouble.what} for {trouble.age_s:.1f} s"

    def _calm_text(self, now_s: float) -> str:
        if now_s < self._said_until_s:
            return self._said
        if self.state is None:
            return "rtdecode"
        decoder = self.state.decoder
        parts = [decoder.task or decoder.name, window_text(decoder.window)]
        if self.state.ended:
            parts.append("run ended")
        if self.view.paused:
            behind_s = (self.state.live_us - self.view.end_us) * 1e-6
            parts.append(f"PAUSED, {behind_s:.1f} s back")
        return "   ".join(part for part in parts if part)

    def set_paused(self, paused: bool) -> None:
        """Let time stand still on the screen, or go on live."""
        self._paused_us = self.state.live_us if paused and self.state else None
        self.pause.setChecked(self._paused_us is not None)

    def scroll_view(self, by_us: int) -> None:
        """Move what is shown through what is kept; pauses first."""
        if self.state is None:
            return
        if self._paused_us is None:
            self.set_paused(True)
        self._paused_us = min(self.state.live_us, (self._paused_us or 0) + by_us)

    # -- choosing ----------------------------------------------------------------------

    def offer_decoders(self, names: Sequence[str]) -> None:
        """Let one of several decoders be chosen."""
        if [self.chooser.itemText(i) for i in range(self.chooser.count())] != list(names):
            self.chooser.clear()
            self.chooser.addItems(names)
        shown = self.state.decoder.name if self.state else ""
        if not self.chooser.view().isVisible():  # type: ignore[union-attr]
            self.chooser.setCurrentIndex(self.chooser.findText(shown))
        self.chooser.setVisible(len(names) > 1 and self.state is not None)

    def choose_decoder(self, name: str) -> None:
        """Show this decoder, now and at the next start."""
        self.settings.setValue("decoder", name)
        self.decoder_chosen.emit(name)

    def next_decoder(self) -> None:
        """Show the decoder after the present one."""
        if n := self.chooser.count():
            self.choose_decoder(self.chooser.itemText((self.chooser.currentIndex() + 1) % n))

    # -- looks -------------------------------------------------------------------------

    def set_theme(self, theme: Theme) -> None:
        """Change the colours, and remember them."""
        self.theme = theme
        self.settings.setValue("theme", theme.name)
        self.setStyleSheet(stylesheet(theme, self._px))
        self.waiting.set_text_px(self._px)
        self.banner.setFont(font(1.3 * self._px, bold=True))
        self._colour_frame()
        for panel in self.panels.values():
            panel.set_look(theme, self._px)

    def _colour_frame(self) -> None:
        theme, bad = self.theme, bool(self.frame.property("bad"))
        calm = theme.warn if self.frame.property("warned") else theme.text
        ground, text = (theme.alarm, "#ffffff") if bad else (theme.background, calm)
        self.frame.setStyleSheet(f"QFrame#alarm {{ border: {FRAME_PX}px solid {ground}; }}")
        self.banner.setStyleSheet(f"background: {ground}; color: {text}; padding: 2px 8px;")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Scale the text with the window."""
        super().resizeEvent(event)
        px = text_px(self.width(), self.height())
        if px != self._px:
            self._px = px
            self.set_theme(self.theme)
        for panel in self.panels.values():
            panel.forget()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Lay out the panels once their room is known."""
        super().showEvent(event)
        if not self._arranged:
            self._arranged = True
            self.docks.resize(self.pages.size())
            self.docks.arrange()
            self.docks.restore(self.settings)

    # -- keeping -----------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Remember where window and panels were."""
        self.settings.setValue("geometry", self.saveGeometry())
        self.docks.save(self.settings)
        self.settings.sync()
        super().closeEvent(event)

    def save_dated_picture(self) -> None:
        """Save the window as a picture named by the time, and say where."""
        path = self.pictures / f"rtdecode-{datetime.now().astimezone():%Y%m%d-%H%M%S}.png"
        try:
            self.save_picture(path)
            self._said = f"saved {path.absolute()}"
        except OSError as error:  # a full disk is no reason to stop showing
            self._said = f"⚠ no picture saved: {error}"
        self._said_until_s = self.view.now_s + 5.0

    def save_picture(self, path: Path) -> None:
        """Save the window as a picture.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.grab().save(str(path)):
            raise OSError(f"the picture could not be written to {path}")


def window_text(said: str) -> str:
    """A window for people: ``0:250:25 ms`` is 0 to 250 ms after an onset, in bins of 25."""
    edges, _, unit = said.partition(" ")
    match edges.split(":"):
        case start, stop, step:
            return f"{start} to {stop} {unit}, bins of {step} {unit}"
    return said
