"""What all panels share: a frame, a title, and drawing only what changed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import pyqtgraph as pg
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QFont, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import DARK, Theme


class Panel(QFrame):
    """A titled frame that redraws when the values it shows have changed.

    Sub-classes set `key` and `title`, and give `shown` (the values a drawing
    depends on) and `redraw`.
    """

    key: ClassVar[str]
    title: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.theme, self.px = DARK, 14
        self._drawn: Hashable = None
        self.heading, self.note = QLabel(self.title), ShortLabel()
        self.heading.setObjectName("title")
        self.note.setObjectName("note")
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = self._new_bar()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(8, 2, 8, 4)
        self.box.setSpacing(2)

    def _new_bar(self) -> QWidget:
        """The line over the panel: its title, a note, and the handle to drag it by."""
        bar = QFrame()
        bar.setObjectName("bar")
        line = QHBoxLayout(bar)
        line.setContentsMargins(8, 2, 8, 0)
        line.addWidget(self.heading)
        line.addWidget(self.note, 1)
        return bar

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """What the drawing depends on: equal values, equal drawing."""
        raise NotImplementedError

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw."""
        raise NotImplementedError

    def draw(self, state: DisplayState, view: View) -> bool:
        """Draw if anything changed; says whether it did."""
        shown = self.shown(state, view)
        if shown == self._drawn:
            return False
        self._drawn = shown
        self.redraw(state, view)
        return True

    def forget(self) -> None:
        """Draw anew at the next frame, whatever has changed."""
        self._drawn = None

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height, pixels."""
        self.theme, self.px = theme, px
        self.forget()

    def say(self, text: str) -> None:
        """Set the note beside the title."""
        self.note.setText(text)


class SteadyLabel(QLabel):
    """A plain text that changes often: no layout is made anew for it as long as it has room.

    Qt's own label has the whole window laid out, and then painted, at each new text.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text

    def text(self) -> str:
        """What is written."""
        return self._text

    def setText(self, text: str | None) -> None:
        """Write, if it is another text."""
        if text != self._text:
            self._text = text or ""
            self._make_room()
            self.update()

    def _make_room(self) -> None:
        """Ask for more room where there is too little."""
        if self.sizeHint().width() > self.width():
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Room for the text, and for a line where there is none."""
        metrics = self.fontMetrics()
        return metrics.size(0, self._text).expandedTo(QSize(0, metrics.height()))

    def minimumSizeHint(self) -> QSize:
        """Room for the text."""
        return self.sizeHint()

    def drawn_text(self) -> str:
        """What of the text is drawn."""
        return self._text

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the text."""
        painter, look = QPainter(self), self.style()
        assert look is not None
        align, role = int(self.alignment()), self.foregroundRole()
        look.drawItemText(
            painter, self.rect(), align, self.palette(), True, self.drawn_text(), role
        )


class ShortLabel(SteadyLabel):
    """A line of text that ends in dots where it has no room, and holds no window open."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setMinimumWidth(1)

    def _make_room(self) -> None:
        """Do with the room there is."""

    def drawn_text(self) -> str:
        """As much of the text as there is room for."""
        dots = Qt.TextElideMode.ElideRight
        return self.fontMetrics().elidedText(self.text(), dots, self.width())


def restyle(widget: QWidget, sheet: str) -> None:
    """Set a style sheet, if it is another one: the widget's fonts and sizes follow from it."""
    if widget.styleSheet() != sheet:
        widget.setStyleSheet(sheet)


def refont(widget: QWidget, wanted: QFont) -> None:
    """Set a font, if it is another one."""
    if widget.font() != wanted:
        widget.setFont(wanted)


def font(px: float, *, bold: bool = False) -> QFont:
    """The application's font, `px` pixels high."""
    made = QFont()
    made.setPixelSize(max(6, round(px)))
    made.setBold(bold)
    return made


class CachedAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose text is drawn when it has changed, not whenever something moves beside it.

    Qt's own cache of items loses what changes while it paints, as the room for the text does.
    """

    _image = QImage()

    def paint(self, painter: QPainter, *args: Any) -> None:
        """Draw the axis as it was last drawn, if nothing has changed."""
        place, device = self.boundingRect().toAlignedRect(), painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        if self.picture is None or self._image.size() != place.size() * ratio:
            self._image = QImage(place.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
            self._image.setDevicePixelRatio(ratio)
            self._image.fill(0)
            into = QPainter(self._image)
            into.translate(-place.x(), -place.y())
            super().paint(into, *args)
            into.end()
        painter.drawImage(place.topLeft(), self._image)


def new_plot() -> Any:
    """A plot without buttons, menus and mouse: nothing on a rig's wall is dragged by chance."""
    plot = pg.PlotWidget(axisItems={side: CachedAxis(side) for side in ("left", "bottom")})
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.getPlotItem().getViewBox().setDefaultPadding(0.0)
    plot.getPlotItem().setContentsMargins(0, 4, 14, 0)
    plot.getAxis("bottom").setStyle(hideOverlappingLabels=False)
    plot.setFrameShape(QFrame.Shape.NoFrame)
    # It fills its whole ground: nothing of the window has to be painted beneath it.
    plot.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
    return plot


def show_range(plot: Any, across: tuple[float, float], up: tuple[float, float]) -> None:
    """Set what a plot shows, if it is something else: its axes are drawn anew."""
    if plot.viewRange() != [list(across), list(up)]:
        plot.setRange(xRange=across, yRange=up)


def show_ticks(plot: Any, side: str, ticks: list[tuple[float, str]]) -> None:
    """Set an axis's ticks, if they are others."""
    axis = plot.getAxis(side)
    if axis._tickLevels != [ticks]:
        axis.setTicks([ticks])


def colour_plot(plot: Any, theme: Theme, px: int) -> None:
    """Give a plot its colours and its text height."""
    plot.setBackground(theme.panel)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(theme.line, width=1))
        axis.setTextPen(pg.mkPen(theme.faint))
        axis.setTickFont(font(0.85 * px))
        axis.setStyle(tickLength=-3, tickTextOffset=max(3, px // 4))
        axis.labelStyle = {"color": theme.faint, "font-size": f"{0.85 * px:.0f}px"}
        if axis.labelText:
            axis.setLabel(axis.labelText, **axis.labelStyle)


def pen(colour: str, *, dashed: bool = False) -> Any:
    """A pen of one pixel: wider ones cost Qt ten times as much."""
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    return pg.mkPen(colour, width=1, style=style)


def ago_ticks(duration_us: int, step_s: int) -> list[tuple[float, str]]:
    """Ticks of an axis that counts seconds back from its right edge."""
    back = range(step_s, round(duration_us * 1e-6), step_s)
    return [(0.0, "0 s"), *((-float(ago), f"−{ago} s") for ago in back)]
