"""The panels in docks: where they lie at first, and how that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PyQt6.QtCore import QByteArray, QSettings, Qt
from PyQt6.QtWidgets import QDockWidget, QMainWindow

from rtdecode.gui.panels.base import Panel
from rtdecode.gui.panels.confusion import ConfusionPanel
from rtdecode.gui.panels.health import HealthPanel
from rtdecode.gui.panels.history import HistoryPanel
from rtdecode.gui.panels.latency import LatencyPanel
from rtdecode.gui.panels.performance import AccuracyPanel
from rtdecode.gui.panels.posterior import PosteriorPanel
from rtdecode.gui.panels.raster import RasterPanel
from rtdecode.gui.panels.reliability import ReliabilityPanel
from rtdecode.gui.panels.stimulus import StimulusPanel
from rtdecode.gui.panels.trigger import TriggerPanel

#: A saved layout of another version is not restored.
VERSION = 3
#: Panels that are shown only where they have something to show.
SOMETIMES = ("stimulus", "trigger")
ACROSS, DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical


class Docks(QMainWindow):
    """The panels, each in a dock that can be dragged elsewhere.

    Parameters
    ----------
    image_files : mapping of str to Path
        Pictures of stimuli by label.
    """

    def __init__(self, image_files: Mapping[str, Path]) -> None:
        super().__init__()
        self.setDockNestingEnabled(True)
        panels: list[Panel] = [
            PosteriorPanel(),
            StimulusPanel(image_files),
            HealthPanel(),
            HistoryPanel(),
            RasterPanel(),
            AccuracyPanel(),
            ConfusionPanel(),
            ReliabilityPanel(),
            LatencyPanel(),
            TriggerPanel(),
        ]
        self.panels = {panel.key: panel for panel in panels}
        self.docks = {panel.key: self._dock(panel) for panel in panels}
        self._wanted = dict.fromkeys(SOMETIMES, False)

    def _dock(self, panel: Panel) -> QDockWidget:
        dock = QDockWidget(panel.title, self)
        dock.setObjectName(panel.key)
        dock.setWidget(panel)
        dock.setTitleBarWidget(panel.bar)
        movable = QDockWidget.DockWidgetFeature.DockWidgetMovable
        dock.setFeatures(movable | QDockWidget.DockWidgetFeature.DockWidgetFloatable)
        return dock

    def arrange(self) -> None:
        """Lay the panels out as they are at first, in shares of the present size."""
        docks = self.docks
        for dock in docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, docks["posterior"])
        for first, second, way in (
            ("posterior", "accuracy", DOWN),
            ("posterior", "history", ACROSS),
            ("posterior", "stimulus", DOWN),
            ("stimulus", "health", DOWN),
            ("history", "raster", DOWN),
            ("history", "trigger", ACROSS),
            ("accuracy", "confusion", ACROSS),
            ("confusion", "reliability", ACROSS),
            ("reliability", "latency", ACROSS),
        ):
            self.splitDockWidget(docks[first], docks[second], way)
        for dock in docks.values():
            dock.show()
        self._share(ACROSS, self.width(), posterior=0.32, raster=0.68)
        self._share(ACROSS, self.width(), history=0.42, trigger=0.26)
        self._share(
            ACROSS, self.width(), accuracy=0.2, confusion=0.24, reliability=0.2, latency=0.36
        )
        self._share(DOWN, self.height(), posterior=0.33, stimulus=0.14, health=0.25, accuracy=0.28)
        self._share(DOWN, self.height(), history=0.32, raster=0.4)
        # Only now: what is hidden has no share to come back to.
        for key, wanted in self._wanted.items():
            docks[key].setVisible(wanted)

    def want(self, key: str, wanted: bool) -> None:
        """Show a panel of those that are shown only where they have something to show."""
        if wanted != self._wanted[key]:
            self._wanted[key] = wanted
            self.docks[key].setVisible(wanted)

    def _share(self, way: Qt.Orientation, total: int, **shares: float) -> None:
        docks = [self.docks[key] for key in shares]
        self.resizeDocks(docks, [round(share * total) for share in shares.values()], way)

    def toggle(self, number: int) -> None:
        """Hide or show the panel of this number, counted from 0."""
        dock = list(self.docks.values())[number]
        dock.setVisible(not dock.isVisible())

    def save(self, settings: QSettings) -> None:
        """Keep where the panels lie."""
        settings.setValue("layout", self.saveState(VERSION))

    def restore(self, settings: QSettings) -> bool:
        """Put the panels where they were; False if nothing fit to restore was kept."""
        layout = settings.value("layout")
        return isinstance(layout, QByteArray) and bool(self.restoreState(layout, VERSION))
