"""What a frame of the display costs, beside the naive way to draw the same.

CPU time of the whole process, without a screen, so painting is Qt's own software
rendering: with one it is the same or less.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QApplication
from rich.progress import track

from benchmarks.machine import (
    check_json,
    describe_machine,
    print_heading,
    print_rows,
    progress_console,
    write_json,
)
from benchmarks.naive_display import NaiveDisplay
from benchmarks.synthetic_feed import Load, SyntheticFeed
from rtdecode.gui.app import new_application
from rtdecode.gui.packets import Batch
from rtdecode.gui.state import DisplayState
from rtdecode.gui.window import DisplayWindow

WIDTH, HEIGHT = 1200, 900
#: The rows of the raster and the minute of the history are full from here on.
WARM_S = 65.0
NAIVE_FRAMES = 40
#: In the first half hour and a little what grows is the decisions that can be scrolled back to.
SETTLED = 0.55
COLUMNS = ("display", "frames", "cpu_ms_mean", "cpu_ms_p50", "cpu_ms_p95", "cpu_ms_max")


class Watched:
    """A state that is fed batch by batch, and the clock it is fed on.

    Parameters
    ----------
    load : Load
    """

    def __init__(self, load: Load) -> None:
        self.state = DisplayState(load.decoder)
        self.now_s, self._step_s = 0.0, 1.0 / load.frames_per_s

    def apply(self, batch: Batch) -> None:
        """Let one frame's batch arrive."""
        self.now_s += self._step_s
        self.state.apply(batch, self.now_s)


def cpu_ms(draw: Callable[[Batch], None], batches: Iterable[Batch]) -> NDArray[np.float64]:
    """CPU milliseconds of the process for each frame: taking in, drawing, painting."""
    spent = []
    for batch in batches:
        before = time.process_time()
        draw(batch)
        QApplication.processEvents()
        spent.append((time.process_time() - before) * 1e3)
    return np.array(spent)


def measure_ours(load: Load, seconds: float) -> tuple[NDArray[np.float64], list[float]]:
    """CPU milliseconds of each frame, and memory (MiB) at every fortieth of the run."""
    warm, frames = (round(s * load.frames_per_s) for s in (WARM_S, seconds))
    with tempfile.TemporaryDirectory() as folder:
        settings = QSettings(str(Path(folder) / "display.ini"), QSettings.Format.IniFormat)
        window = DisplayWindow(settings)
        window.resize(WIDTH, HEIGHT)
        window.show()
        watched = Watched(load)

        def draw(batch: Batch) -> None:
            watched.apply(batch)
            window.draw(watched.state, watched.now_s)

        batches = SyntheticFeed(load).batches(warm + frames)
        for _ in range(warm):
            draw(next(batches))
            QApplication.processEvents()
        spent, memory = [], [_memory_mib()]
        ends = np.linspace(0, frames, 41).astype(int).tolist()
        parts = track(list(pairwise(ends)), "drawing", console=progress_console)
        for start, stop in parts:
            spent.append(cpu_ms(draw, (next(batches) for _ in range(stop - start))))
            memory.append(_memory_mib())
        window.close()
    return np.concatenate(spent), memory


def measure_naive(load: Load) -> NDArray[np.float64]:
    """CPU milliseconds of each frame of the naive display, with the same in view."""
    display, watched = NaiveDisplay(WIDTH, HEIGHT), Watched(load)
    warm = round(WARM_S * load.frames_per_s)
    batches = SyntheticFeed(load).batches(warm + NAIVE_FRAMES + 1)
    for _ in range(warm):
        watched.apply(next(batches))

    def draw(batch: Batch) -> None:
        watched.apply(batch)
        display.draw(watched.state)

    spent = cpu_ms(draw, batches)
    display.window.close()
    return spent[1:]  # the first makes the items


def memory_slope(memory_mib: list[float], seconds: float) -> float:
    """Growth of the memory, MiB an hour of stream time, by least squares.

    Parameters
    ----------
    memory_mib : list of float
        At even distances, from the start to the end of the run.
    seconds : float
        Length of the run.
    """
    settled = np.array(memory_mib[round(SETTLED * len(memory_mib)) :])
    step_h = seconds / 3_600 / (len(memory_mib) - 1)
    return float(np.polyfit(step_h * np.arange(len(settled)), settled, 1)[0])


def _memory_row(memory_mib: list[float], seconds: float) -> dict[str, object]:
    """Memory at the start, in the middle, at the end, and what it grows by in an hour."""
    start, middle, end = (memory_mib[i] for i in (0, len(memory_mib) // 2, -1))
    slope = memory_slope(memory_mib, seconds)
    return {"start_mib": start, "middle_mib": middle, "end_mib": end, "mib_an_hour": slope}


def _memory_mib() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def _row(name: str, spent: NDArray[np.float64]) -> dict[str, object]:
    p50, p95 = np.percentile(spent, (50, 95)).tolist()
    figures = (len(spent), float(spent.mean()), p50, p95, float(spent.max()))
    return dict(zip(COLUMNS, (name, *figures), strict=True))


def bench_display(seconds: float, figures: Path | None, force: bool = False) -> None:
    """Measure, print, write.

    Parameters
    ----------
    seconds : float
        Of stream time; it is drawn as fast as it goes.
    figures : Path or None
        JSON to write.
    force : bool
        Whether it may replace a file.
    """
    check_json(figures, force)
    machine, load = describe_machine(), Load()
    app = new_application(offscreen=True)
    ours, memory = measure_ours(load, seconds)
    rows = [_row("rtdecode", ours), _row("naive", measure_naive(load))]
    tenth = max(1, len(ours) // 10)
    drift = float(np.median(ours[-tenth:]) / np.median(ours[:tenth]))
    print_heading(
        f"CPU time of a frame at {WIDTH} x {HEIGHT}, offscreen",
        machine,
        units=load.units,
        classes=load.classes,
        spikes_per_s=load.units * load.rate_hz,
        frames_per_s=load.frames_per_s,
        seconds=seconds,
    )
    print_rows(rows, COLUMNS)
    flat = {"cpu_last_to_first_tenth": drift} | _memory_row(memory, seconds)
    print_rows([flat], tuple(flat))
    found = {"machine": machine, "load": load.__dict__, "seconds": seconds, "rows": rows}
    found |= flat | {"memory_mib": memory}
    write_json(figures, found, force)
    app.processEvents()
