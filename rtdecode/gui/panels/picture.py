"""A picture of indexed colours, for what is drawn anew many times a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QPainter


class Picture(pg.GraphicsObject):  # type: ignore[misc]
    """One image that is written into again and again.

    pyqtgraph's own item makes a new `QImage` over foreign memory for each frame, and PyQt
    keeps about a hundred bytes of each for good (measured with PyQt 6.11): 20 MiB an hour.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)
        self._rect = QRectF(0, 0, 1, 1)
        self._colours = [QColor(0, 0, 0).rgb()] * 256
        self._make_room(self.image.shape)

    def _make_room(self, shape: tuple[int, ...]) -> None:
        height, width = shape
        self._qimage = QImage(width, height, QImage.Format.Format_Indexed8)
        self._qimage.setColorTable(self._colours)
        bits = self._qimage.bits()
        assert bits is not None  # only an image without size has none
        held: Any = bits.asarray(self._qimage.sizeInBytes())
        pixels = np.frombuffer(held, np.uint8)
        self._pixels = pixels.reshape(height, self._qimage.bytesPerLine())[:, :width]
        self._pixels[:] = 0
        self._colour()

    def _colour(self) -> None:
        """Look up the colours once: at each painting it costs Qt eight times as much."""
        self._coloured = self._qimage.convertToFormat(QImage.Format.Format_RGB32)

    def set_colours(self, table: NDArray[np.uint8]) -> None:
        """Colours of the values, (256, 3) uint8."""
        self._colours = [QColor(*rgb).rgb() for rgb in table.tolist()]
        self._make_room(self.image.shape)
        self._pixels[:] = self.image
        self._colour()
        self.update()

    def show_image(self, image: NDArray[np.uint8], rect: QRectF) -> None:
        """Draw an image, (rows, columns) uint8, over a rectangle of the plot."""
        if image.shape != self.image.shape:
            self._make_room(image.shape)
        self.image = image
        self._pixels[:] = image
        self._colour()
        if rect != self._rect:
            self.prepareGeometryChange()
            self._rect = rect
        self.update()

    def boundingRect(self) -> QRectF:
        """Where it lies in the plot."""
        return self._rect

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw it."""
        painter.drawImage(self._rect, self._coloured)
