"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF

from rtdecode.gui.panels.base import Panel, colour_plot, font, new_plot
from rtdecode.gui.panels.picture import Picture
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme, ramp_table

#: Up to so many classes the cells bear figures.
FIGURES = 8


def confusion_levels(confusion: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Image of a confusion matrix: each true class's row as shares, 0 to 255.

    Parameters
    ----------
    confusion : (classes, classes) int64
        True by decoded.
    """
    totals = np.maximum(1, confusion.sum(axis=1, keepdims=True))
    return np.asarray(np.round(255.0 * confusion / totals), np.uint8)


class ConfusionPanel(Panel):
    """True classes down, decoded ones across; each row adds up to one."""

    key, title = "confusion", "Confusions"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.image = Picture()
        self.plot.addItem(self.image)
        self.plot.invertY(True)
        self.plot.setLabel("left", "true")
        self.plot.setLabel("bottom", "decoded")
        self.box.addWidget(self.plot, 1)
        self.figures: list[pg.TextItem] = []
        self._named: Hashable = None

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """How many windows were judged, and of which classes."""
        judged = state.performance.n // state.stride, state.ended
        return judged, state.decoder.classes, self.width(), self.height()

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw the matrix."""
        performance = state.performance
        self._name_classes(performance.classes)
        levels = confusion_levels(performance.confusion)
        n = len(performance.classes)
        self.image.show_image(levels, QRectF(0, 0, n, n))
        for text, count, level in zip(
            self.figures, performance.confusion.ravel(), levels.ravel(), strict=False
        ):
            text.setText(str(count) if count else "")
            text.setColor(self._ink(int(level)))
        foreign = f"{performance.foreign} of other classes" if performance.foreign else ""
        self.say(foreign or (f"{performance.n} windows" if performance.n else ""))

    def _ink(self, level: int) -> str:
        """A colour that stands out from the cell."""
        red, green, blue = (int(c) for c in ramp_table(self.theme)[level])
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 128
        return "#ffffff" if dark else "#101317"

    def _name_classes(self, classes: tuple[str, ...]) -> None:
        room = self.plot.getPlotItem().getViewBox().rect()
        wanted = (classes, room.width(), room.height(), self.px, self.theme.name)
        if wanted == self._named:
            return
        self._named = wanted
        n = len(classes)
        self.plot.setRange(xRange=(0, n), yRange=(0, n))
        widest = 0.7 * self.px * max(map(len, classes), default=1)
        ticks = {"left": room.height() / (1.4 * self.px), "bottom": room.width() / (widest + 6)}
        for side, places in ticks.items():
            step = max(1, -(-n // max(1, int(places))))
            named = [(i + 0.5, name) for i, name in enumerate(classes) if i % step == 0]
            self.plot.getAxis(side).setTicks([named])
        self._new_figures(n)

    def _new_figures(self, n: int) -> None:
        for text in self.figures:
            self.plot.removeItem(text)
        cells = [(row, column) for row in range(n) for column in range(n)] if n <= FIGURES else []
        self.figures = [pg.TextItem(anchor=(0.5, 0.5)) for _ in cells]
        for text, (row, column) in zip(self.figures, cells, strict=True):
            text.setFont(font(0.85 * self.px))
            text.setPos(column + 0.5, row + 0.5)
            self.plot.addItem(text)

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.image.set_colours(ramp_table(theme))
