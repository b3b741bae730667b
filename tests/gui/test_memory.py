"""What is painted all day leaves nothing behind: objects are counted, not bytes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from numpy.typing import NDArray
from PyQt6.QtWidgets import QApplication
from pyqtgraph.Qt.internals import PrimitiveArray
from pytestqt.qtbot import QtBot

from rtdecode.gui.panels.base import new_plot
from rtdecode.gui.panels.items import BarItem, DotItem, KeptArray
from tests.gui import known
from tests.gui.conftest import Shown
from tests.gui.known import START_US, S, decision

#: Far fewer than the one a painting that PyQt keeps of each new array.
FEW = 0.3


def left_behind(turn: Callable[[], None], turns: int) -> float:
    """Blocks of memory that Python has more of, a turn, once it has taken what it needs.

    The least of several rounds: what stays with each turn is in all of them.
    """
    counts = []
    for _ in range(5):
        for _ in range(turns):
            turn()
        gc.collect()
        counts.append(sys.getallocatedblocks())
    return float(np.diff(counts).min() / turns)


def move_bars(item: BarItem, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    item.setOpts(x0=x, x1=x + 0.1, y0=0 * y, y1=y, brush="#56b4e9", pen=None)


def move_dots(item: DotItem, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    item.setData(x=x, y=y)


@pytest.mark.parametrize(("kind", "move"), [(BarItem, move_bars), (DotItem, move_dots)])
def test_painting_leaves_nothing_behind(kind: Any, move: Any, qtbot: QtBot) -> None:
    plot, item = new_plot(), kind(x0=[], x1=[], height=0) if kind is BarItem else kind()
    qtbot.addWidget(plot)
    plot.resize(200, 200)
    plot.addItem(item)
    plot.setRange(xRange=(0, 1), yRange=(0, 1))
    plot.show()
    rng = np.random.default_rng(1)

    def paint() -> None:
        move(item, *rng.random((2, rng.integers(1, 9))))
        QApplication.processEvents()

    assert left_behind(paint, 200) < FEW


def test_every_panel_paints_from_what_is_kept(shown: Shown) -> None:
    plots = shown.window.findChildren(pg.PlotWidget)
    painted = [vars(item).values() for plot in plots for item in plot.scene().items()]
    arrays = [array for values in painted for array in values if isinstance(array, PrimitiveArray)]
    assert len(arrays) > 5
    assert {type(array) for array in arrays} == {KeptArray}


def test_windows_at_uneven_intervals_need_no_mark_of_their_own(shown: Shown) -> None:
    rng = np.random.default_rng(1)
    truth = shown.window.panels["history"].truth
    for number in range(30):
        end_us = START_US + 3 * S // 4 * number + int(rng.integers(0, S // 4))
        shown.give(known.decided(replace(decision(0, "0", "0"), end_us=end_us)))
    assert len(truth.fragmentAtlas) < 10
