"""The last minute of probabilities, all classes, with the true labels over it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from PyQt6.QtCore import QRectF

from rtdecode.gui.history import history_image, thickened
from rtdecode.gui.panels.base import Panel, ago_ticks, colour_plot, new_plot, pen
from rtdecode.gui.panels.items import DotItem
from rtdecode.gui.panels.picture import Picture
from rtdecode.gui.raster import Span
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.theme import Theme, history_table

DURATION_US, COLUMNS = 60_000_000, 600


class HistoryPanel(Panel):
    """Which class was likely when."""

    key, title = "history", "History"

    def __init__(self) -> None:
        super().__init__()
        self.plot = new_plot()
        self.image = Picture()
        self.truth = DotItem(symbol="o", pxMode=True)
        self.plot.addItem(self.image)
        self.plot.addItem(self.truth)
        self.plot.invertY(True)
        self.plot.setXRange(-DURATION_US * 1e-6, 0)
        self.plot.getAxis("bottom").setTicks([ago_ticks(DURATION_US, 10)])
        self.box.addWidget(self.plot, 1)
        self.say("probability of each class; ○ true label")
        self._classes: tuple[str, ...] = ()
        self._index: dict[str, int] = {}
        self._marked: Hashable = None
        self._marked_us = 0

    def span(self, view: View) -> Span:
        """The minute that is shown."""
        return Span.ending(view.end_us, DURATION_US, COLUMNS)

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The minute, in columns of a tenth of a second, and the newest decision in it."""
        return self.span(view), state.n_decisions // state.stride, self.height()

    def redraw(self, state: DisplayState, view: View) -> None:
        """Draw the image and the true labels."""
        span = self.span(view)
        if state.decoder.classes != self._classes or self._drawn is None:
            self._name_classes(state.decoder.classes)
        times = state.posterior_us.rows
        hold = min(DURATION_US, 3 * state.interval_us // 2)
        drawn = history_image(times, state.posteriors.rows, span, hold)
        least_px = 3.0 * drawn.shape[0] / max(1.0, self._room().height())
        drawn = thickened(drawn, int(least_px) // 2)
        duration_s = span.columns * span.column_us * 1e-6
        self.image.show_image(drawn, QRectF(-duration_s, 0, duration_s, drawn.shape[0]))
        self._mark_truth(state, span)

    def _mark_truth(self, state: DisplayState, span: Span) -> None:
        """Draw the rings anew for another decision, else move them on."""
        first = state.decisions_since(span.start_us - 1)
        seen = [d for d in first if d.label in self._index and d.end_us < span.stop_us]
        size = self._mark_size(state)
        marked = (seen[0] if seen else None, len(seen), size, self._classes)
        if marked != self._marked:
            self._marked, self._marked_us = marked, span.stop_us
            ends_us = np.array([d.end_us for d in seen[::-1]], np.int64)
            rows = np.array([self._index[d.label] for d in seen[::-1]], float)
            self.truth.setData(x=(ends_us - span.stop_us) * 1e-6, y=rows + 0.5, size=size)
        self.truth.setPos((self._marked_us - span.stop_us) * 1e-6, 0.0)

    def _room(self) -> QRectF:
        return self.plot.getPlotItem().getViewBox().rect()  # type: ignore[no-any-return]

    def _mark_size(self, state: DisplayState) -> float:
        """As wide as a decision and as high as a class, within reason.

        In whole pixels: pyqtgraph keeps a picture of each size that there ever was, and
        intervals differ by microseconds.
        """
        wide = 0.8 * self._room().width() * state.interval_us / DURATION_US
        high = 0.8 * self._room().height() / max(1, len(self._classes))
        return float(round(max(5.0, min(0.7 * self.px, wide, max(high, 6.0)))))

    def _name_classes(self, classes: tuple[str, ...]) -> None:
        self._classes, self._marked = classes, None
        self._index = {name: i for i, name in enumerate(classes)}
        self.plot.setYRange(0, max(1, len(classes)))
        room = max(1, int(self.plot.height() / (1.5 * self.px)))
        step = max(1, -(-len(classes) // room))
        ticks = [(i + 0.5, name) for i, name in enumerate(classes) if i % step == 0]
        self.plot.getAxis("left").setTicks([ticks])

    def set_look(self, theme: Theme, px: int) -> None:
        """Take on colours and a text height."""
        super().set_look(theme, px)
        colour_plot(self.plot, theme, px)
        self.image.set_colours(history_table(theme))
        self.truth.setBrush(None)
        self.truth.setPen(pen(theme.truth))
        self._classes = ()
