"""Bars and dots that are painted all day, without what PyQt keeps of each painting."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter
from pyqtgraph.Qt.internals import PrimitiveArray


class KeptArray(PrimitiveArray):  # type: ignore[misc]
    """What is painted, as an array of Qt's, of which each part is cut once and kept.

    pyqtgraph cuts off what it needs for each painting, and PyQt frees no such array object
    (measured with PyQt 6.11, sip 6.17): 72 bytes a painting, 4 MiB an hour.

    Parameters
    ----------
    kind : type
        Of the elements: `QRectF` or `QPainter.PixmapFragment`.
    n_fields : int
        float64 values of each.
    """

    def __init__(self, kind: type, n_fields: int) -> None:
        self._parts: dict[int, Any] = {}
        super().__init__(kind, n_fields)

    def resize(self, size: int) -> None:
        """Take on a size; the room grows twofold, so that it seldom does."""
        if size > self._capa:
            self._parts.clear()
            super().resize(max(size, 2 * self._capa))
        super().resize(size)

    def instances(self) -> Any:
        """The elements, for Qt to paint."""
        if self._size not in self._parts:
            self._parts[self._size] = super().instances()
        return self._parts[self._size]


class BarItem(pg.BarGraphItem):  # type: ignore[misc]
    """Bars whose number changes.

    Parameters
    ----------
    **opts : Any
        As of pyqtgraph's item.
    """

    def __init__(self, **opts: Any) -> None:
        super().__init__(**opts)
        self._rectarray = KeptArray(QRectF, 4)
        self.setOpts()


class DotItem(pg.ScatterPlotItem):  # type: ignore[misc]
    """Dots whose number changes.

    Parameters
    ----------
    **opts : Any
        As of pyqtgraph's item.
    """

    def __init__(self, **opts: Any) -> None:
        super().__init__(**opts)
        self._pixmapFragments = KeptArray(QPainter.PixmapFragment, 10)
