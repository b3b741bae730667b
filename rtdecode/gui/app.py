"""The display as a process: a feed, a window, thirty frames a second."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import platformdirs
from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtGui import QFont, QFontDatabase
from PyQt6.QtWidgets import QApplication

from rtdecode.errors import UserError
from rtdecode.files import check_writable, made_folder
from rtdecode.gui.feed import Feed
from rtdecode.gui.packets import Batch
from rtdecode.gui.remote import Remote
from rtdecode.gui.state import DisplayState
from rtdecode.gui.stimuli import image_files
from rtdecode.gui.theme import THEMES, Theme
from rtdecode.gui.window import DisplayWindow
from rtdecode.session.model import Units

FRAME_MS = 33
#: The last decisions may still be on the wire when the source says that it has ended.
LINGER_S = 1.0


@dataclass(frozen=True)
class ViewOptions:
    """How the display is started.

    Attributes
    ----------
    snapshot : Path or None
        A picture to save: after `after_s`, at the end of the run, or when stopped.
    after_s : float or None
        Save the picture this long after the first spikes, and stop.
    until_end : bool
        Stop at the end of the run.
    offscreen : bool
        Draw without a screen.
    decoder : str
        Which decoder to show; empty for the remembered or only one.
    theme : str
        ``dark`` or ``light``; empty for the remembered one.
    size : tuple of int
        Width and height, pixels; (0, 0) for the remembered one.
    images : Path or None
        A folder with pictures of the stimuli, named by label.
    force : bool
        Save over a picture that is there.
    settings : Path or None
        Where layout and choices are kept; None for the user's own place, or nowhere without
        a screen.
    """

    snapshot: Path | None = None
    after_s: float | None = None
    until_end: bool = False
    offscreen: bool = False
    decoder: str = ""
    theme: str = ""
    size: tuple[int, int] = (0, 0)
    images: Path | None = None
    force: bool = False
    settings: Path | None = None


class Display:
    """Pulls, applies and draws, once a frame; whatever is newest wins.

    Parameters
    ----------
    feed : Feed
    window : DisplayWindow
    clock : callable
        Steady seconds.
    """

    def __init__(
        self, feed: Feed, window: DisplayWindow, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.feed, self.window, self.clock = feed, window, clock
        self.remote = Remote()
        window.decoder_chosen.connect(feed.choose)
        window.trigger.ordered.connect(self.remote.order)
        self.state: DisplayState | None = None
        self.first_s: float | None = None
        self.ended_s: float | None = None
        self._units: Units | None = None

    def frame(self) -> None:
        """Draw one frame."""
        now_s = self.clock()
        self.apply(self.feed.pull(), now_s)
        names = [source.name for source in self.feed.decoders]
        if self.state is None:
            rows = [(s.name, s.kind, s.channels, s.host) for s in self.feed.found]
            self.window.waiting.show_found(rows, names, self.feed.message)
        self._relay_orders()
        if self.state and self.state.health and self.state.health.streams:
            self.feed.follow(tuple(stream.name for stream in self.state.health.streams))
        self.window.offer_decoders(names)
        self.window.draw(self.state, now_s)

    def start(self) -> None:
        """Look for streams, and for the decoder's control channel."""
        self.feed.start()
        self.remote.start()

    def stop(self) -> None:
        """Close the inlets, and look no more."""
        self.feed.stop()
        self.remote.stop()

    def _relay_orders(self) -> None:
        """Say whether the decoder that is shown takes orders, and what came of those given."""
        self.remote.turn_to(self.state.decoder if self.state else None)
        self.window.trigger.set_obstacle(self.remote.obstacle)
        for answer in self.remote.answers():
            self.window.trigger.tell(answer.text)

    def apply(self, batch: Batch, now_s: float) -> None:
        """Take in what arrived; another decoder starts another state."""
        if batch.units is not None:
            self._units = batch.units
        if batch.decoder and (self.state is None or batch.decoder != self.state.decoder):
            self.state = DisplayState(batch.decoder)
            batch.units = self._units
        if self.state is None:
            return
        self.state.apply(batch, now_s)
        if self.first_s is None and "spikes" in batch.heard:
            self.first_s = now_s
        if not self.state.ended:
            self.ended_s = None
        elif self.ended_s is None:
            self.ended_s = now_s


def has_screen() -> bool:
    """Whether there is a screen to draw on."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def new_application(*, offscreen: bool) -> QApplication:
    """The Qt application, with a font that has letters even on a bare machine."""
    if offscreen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(sys.argv[:1])
    app.setStyle("Fusion")
    if not QFontDatabase.families():
        lend_font(app)
    return app


def lend_font(app: QApplication) -> None:
    """Without any font Qt draws no text at all: take the one that matplotlib brings."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
        number = QFontDatabase.addApplicationFont(str(folder / name))
        families = QFontDatabase.applicationFontFamilies(number)
        if families:
            app.setFont(QFont(families[0]))


def size_of(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT`` in pixels; empty is the remembered size.

    Raises
    ------
    UserError
        If the text has another form.
    """
    if not text:
        return 0, 0
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UserError(f"a size is WIDTHxHEIGHT in pixels, as 1200x900; found {text!r}")
    return int(width), int(height)


def settings_path() -> Path:
    """Where layout and choices are kept, of this user."""
    return platformdirs.user_config_path("rtdecode") / "display.ini"


def run_view(options: ViewOptions) -> int:
    """Show the display until it is closed, stopped, or done with its picture.

    Raises
    ------
    UserError
        If there is no screen and no picture was asked for, or the picture cannot be saved.
    """
    if options.snapshot is not None:
        made_folder(options.snapshot.parent)
        check_writable(options.snapshot, options.force, ending=".png")
    offscreen = options.offscreen or not has_screen()
    if offscreen and not options.snapshot:
        raise UserError(
            "expected a screen, found none (DISPLAY and WAYLAND_DISPLAY are unset): "
            "give --snapshot FILE.png to draw without one, or start it where there is a screen"
        )
    app = new_application(offscreen=offscreen)
    with tempfile.TemporaryDirectory() as folder:
        # Without a screen nothing is remembered: a picture depends on what is asked alone.
        path = Path(folder) / "display.ini" if offscreen else settings_path()
        return _show(app, options, options.settings or path, offscreen=offscreen)


def _show(app: QApplication, options: ViewOptions, ini: Path, *, offscreen: bool) -> int:
    settings = QSettings(str(ini), QSettings.Format.IniFormat)
    files = image_files(options.images) if options.images else {}
    window = DisplayWindow(settings, files, platformdirs.user_pictures_path())
    if options.theme:
        window.set_theme(_theme(options.theme))
    if options.size != (0, 0):
        window.resize(*options.size)
    wanted = options.decoder or str(settings.value("decoder", ""))
    feed = Feed(wanted, take_first=options.snapshot is not None)
    display = Display(feed, window)
    return _run(app, display, options, offscreen=offscreen)


def _theme(name: str) -> Theme:
    if name not in THEMES:
        raise UserError(f"a theme is one of {', '.join(THEMES)}; found {name!r}")
    return THEMES[name]


def _run(app: QApplication, display: Display, options: ViewOptions, *, offscreen: bool) -> int:
    stops_at_end = options.until_end or (offscreen and options.after_s is None)

    failure: list[Exception] = []
    stopped = threading.Event()

    def frame() -> None:
        try:
            display.frame()
        except Exception as error:  # noqa: BLE001 - Qt would print it; it is raised below
            failure.append(error)
        if failure or stopped.is_set() or _is_due(display, options.after_s, stops_at_end):
            app.quit()

    timer = QTimer()
    timer.timeout.connect(frame)
    # A signal reaches Python at the next frame, as the timer runs Python. Only there it ends the
    # loop: a `quit` before the loop has begun is lost, and the display would run for ever.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    display.start()
    display.window.show()
    timer.start(FRAME_MS)
    app.exec()
    timer.stop()
    if failure:
        raise failure[0]
    if options.snapshot:
        display.frame()
        app.processEvents()
        try:
            display.window.save_picture(options.snapshot)
        except OSError as error:
            raise UserError(f"expected to save the picture, found that {error}") from error
    display.window.close()
    display.stop()
    return 0


def _is_due(display: Display, after_s: float | None, stops_at_end: bool) -> bool:
    now_s = display.clock()
    if after_s is not None and display.first_s is not None and now_s - display.first_s >= after_s:
        return True
    ended_s = display.ended_s
    return stops_at_end and ended_s is not None and now_s - ended_s >= LINGER_S
