"""The decoded and the true stimulus, side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from rtdecode.gui.packets import Decision
from rtdecode.gui.panels.base import Panel, ShortLabel
from rtdecode.gui.state import DisplayState, View
from rtdecode.gui.stimuli import drawn_stimulus, patch

THUMBNAIL_PX = 320


class Thumbnail(QWidget):
    """A picture as large as there is room for, and for which none is made."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        ignored = QSizePolicy.Policy.Ignored
        self.setSizePolicy(ignored, ignored)

    def show_image(self, image: QImage | None) -> None:
        """Show a picture; a dash for none."""
        if image is not None and not self.size().isEmpty():
            keep, smooth = (
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            image = image.scaled(self.size(), keep, smooth)
        self._image = image
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it in the middle."""
        painter = QPainter(self)
        if self._image is None:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "–")
            return
        place = self._image.rect()
        place.moveCenter(self.rect().center())
        painter.drawImage(place, self._image)


class StimulusPanel(Panel):
    """What the decoder says the animal sees, and what it does see.

    Parameters
    ----------
    files : mapping of str to Path
        Pictures by label.
    """

    key, title = "stimulus", "Stimulus"

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__()
        self.files = files
        self.pictures = {"decoded": Thumbnail(), "true": Thumbnail()}
        self.captions = {name: ShortLabel(name) for name in self.pictures}
        self.images: dict[str, QImage | None] = dict.fromkeys(self.pictures)
        self._thumbnails: dict[str, QImage] = {}
        self._latest: tuple[Decision | None, str] = (None, "")
        grid = QGridLayout()
        grid.setVerticalSpacing(0)
        grid.setRowStretch(0, 1)
        for column, name in enumerate(self.pictures):
            picture, caption = self.pictures[name], self.captions[name]
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            caption.setObjectName("key")
            grid.addWidget(picture, 0, column)
            grid.addWidget(caption, 1, column)
            grid.setColumnStretch(column, 1)
        self.box.addLayout(grid, 1)

    def can_draw(self, task: str, classes: tuple[str, ...]) -> bool:
        """Whether there is a picture or a patch for any class."""
        return any(self._image(task, label, {}) is not None for label in classes[:20])

    def shown(self, state: DisplayState, view: View) -> Hashable:
        """The decision."""
        return state.decision_at(view.end_us), self.width(), self.height()

    def redraw(self, state: DisplayState, view: View) -> None:
        """Show both pictures; none where the stimulus is unknown."""
        decision = state.decision_at(view.end_us)
        task = state.decoder.task
        told = self._marker(state, decision)
        self._show("decoded", decision.top if decision else "", task, {})
        self._show("true", decision.label if decision else "", task, told)

    def _marker(self, state: DisplayState, decision: Decision | None) -> Mapping[str, Any]:
        if decision is None:
            return {}
        onsets = reversed(state.onsets)
        return next((o.stimulus for o in onsets if o.time_us == decision.onset_us), {})

    def _show(self, name: str, label: str, task: str, told: Mapping[str, Any]) -> None:
        self.captions[name].setText(f"{name} {label}" if label else f"{name}: unknown")
        image = self._image(task, label, told) if label else None
        self.images[name] = image
        self.pictures[name].show_image(image)

    def _image(self, task: str, label: str, told: Mapping[str, Any]) -> QImage | None:
        if label in self.files:
            return self._thumbnail(label)
        drawn = drawn_stimulus(task, label, told)
        return None if drawn is None else _grey_image(patch(drawn))

    def _thumbnail(self, label: str) -> QImage | None:
        if label not in self._thumbnails:
            image = QImage(str(self.files[label]))
            if not image.isNull():
                image = image.scaledToHeight(
                    THUMBNAIL_PX, Qt.TransformationMode.SmoothTransformation
                )
            self._thumbnails[label] = image
        found = self._thumbnails[label]
        return None if found.isNull() else found


def _grey_image(levels: np.ndarray[Any, np.dtype[np.uint8]]) -> QImage:
    height, width = levels.shape
    image = QImage(levels.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return image.copy()  # the copy owns its pixels; the bytes go
