"""Binning one window: ours beside NumPy, elephant and pynapple, on the same spikes.

Each gets the recording in the form that it likes best, made before the clock starts,
and answers with the counts of every unit in every bin of the window asked for.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import (
    check_json,
    console,
    describe_machine,
    installed,
    print_heading,
    print_rows,
    write_json,
)
from rtdecode.errors import UserError
from rtdecode.kernels.binning import bin_window
from rtdecode.kernels.ingest import ingest, make_intake
from rtdecode.microseconds import FOREVER_US, US_PER_S

UNITS, SPIKES_PER_S, RECORDING_S = 700, 20_000, 60
BINS, BIN_US = 10, 25_000
MOST_WINDOWS = 2_000
COLUMNS = ("name", "n", "us_per_window", "ratio", "equal")
OURS = "rtdecode"
LIBRARIES = ("elephant", "pynapple")

Counts = NDArray[np.generic]
Binner = Callable[[int], Counts]


@dataclass(frozen=True)
class Recording:
    """Spikes of all units in order of time.

    Times are odd and window edges even microseconds: none lies on an edge, where
    seconds in floating point would put it in either bin.

    Attributes
    ----------
    times_us : (spikes,) int64
    rows : (spikes,) int32
    starts_us : (windows,) int64
    """

    times_us: NDArray[np.int64]
    rows: NDArray[np.int32]
    starts_us: NDArray[np.int64]

    def unit(self, row: int) -> NDArray[np.float64]:
        """Spike times of one unit, seconds."""
        times_s: NDArray[np.float64] = self.times_us[self.rows == row] / US_PER_S
        return times_s


def new_recording(seed: int = 0) -> Recording:
    """Poisson spikes of units whose rates differ, and random windows in them."""
    rng = np.random.default_rng(seed)
    n, stop_us = SPIKES_PER_S * RECORDING_S, RECORDING_S * US_PER_S
    times_us = np.sort(rng.integers(0, stop_us // 2, n)) * 2 + 1
    rates = rng.lognormal(0.0, 1.0, UNITS)
    rows = rng.choice(UNITS, n, p=rates / rates.sum()).astype(np.int32)
    starts_us = rng.integers(0, (stop_us - BINS * BIN_US) // 2, MOST_WINDOWS) * 2
    return Recording(times_us, rows, starts_us)


def ours(recording: Recording) -> Binner:
    """Our kernel on the recording."""
    out = np.zeros((BINS, UNITS), np.uint16)

    def count(start_us: int) -> Counts:
        bin_window(recording.times_us, recording.rows, start_us, BIN_US, out)
        return out

    return count


def ingest_ns(recording: Recording) -> float:
    """Nanoseconds a spike of taking the recording's rows into a live decoder's ring."""
    n = len(recording.times_us)
    samples = np.stack([recording.rows, np.arange(n, dtype=np.int32)], axis=1)
    spent = []
    for _ in range(5):
        intake = make_intake(np.arange(UNITS), n, 0)
        started = time.perf_counter_ns()
        ingest(intake, samples, recording.times_us, n, FOREVER_US, 100_000)
        spent.append((time.perf_counter_ns() - started) / n)
    return float(np.median(spent))


def _span(recording: Recording, start_us: int) -> slice:
    edges = [start_us, start_us + BINS * BIN_US]
    return slice(*np.searchsorted(recording.times_us, edges).tolist())


def bincount(recording: Recording) -> Binner:
    """``np.bincount`` of bin and unit as one number, of the window's spikes alone."""

    def count(start_us: int) -> Counts:
        span = _span(recording, start_us)
        place = (recording.times_us[span] - start_us) // BIN_US * UNITS + recording.rows[span]
        return np.bincount(place, minlength=BINS * UNITS).reshape(BINS, UNITS)

    return count


def histogram2d(recording: Recording) -> Binner:
    """``np.histogram2d`` of the window's spikes alone."""
    unit_edges = np.arange(UNITS + 1)

    def count(start_us: int) -> Counts:
        span = _span(recording, start_us)
        edges = start_us + np.arange(BINS + 1) * BIN_US
        found = np.histogram2d(
            recording.times_us[span], recording.rows[span], bins=(edges, unit_edges)
        )
        return found[0]

    return count


def elephant(recording: Recording) -> Binner:
    """``elephant.conversion.BinnedSpikeTrain`` of a spike train a unit."""
    import neo
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain

    stop = RECORDING_S * pq.s
    trains = [neo.SpikeTrain(recording.unit(u), units="s", t_stop=stop) for u in range(UNITS)]

    def count(start_us: int) -> Counts:
        start, end = (t / US_PER_S * pq.s for t in (start_us, start_us + BINS * BIN_US))
        binned: Any = BinnedSpikeTrain(
            trains, bin_size=BIN_US / US_PER_S * pq.s, t_start=start, t_stop=end
        )
        return np.asarray(binned.to_array()).T

    return count


def pynapple(recording: Recording) -> Binner:
    """``pynapple.TsGroup.count`` over the window as the epoch."""
    import pynapple as nap

    group = nap.TsGroup({u: nap.Ts(recording.unit(u)) for u in range(UNITS)})

    def count(start_us: int) -> Counts:
        epoch = nap.IntervalSet(start_us / US_PER_S, (start_us + BINS * BIN_US) / US_PER_S)
        return np.asarray(group.count(BIN_US / US_PER_S, ep=epoch).values)

    return count


BINNERS: dict[str, Callable[[Recording], Binner]] = {
    OURS: ours,
    "np.bincount": bincount,
    "np.histogram2d": histogram2d,
    "elephant": elephant,
    "pynapple": pynapple,
}


def measure(binner: Binner, recording: Recording, seconds: float) -> tuple[int, float]:
    """Windows counted within the time given, at least five; microseconds of the median one."""
    spent: list[int] = []
    until = time.monotonic() + seconds
    for start_us in recording.starts_us.tolist():
        started = time.perf_counter_ns()
        binner(start_us)
        spent.append(time.perf_counter_ns() - started)
        if len(spent) >= 5 and time.monotonic() > until:
            break
    return len(spent), float(np.median(spent)) / 1e3


def agrees(binner: Binner, recording: Recording, windows: int = 3) -> bool:
    """Whether its counts are those of ``np.bincount``."""
    reference = bincount(recording)
    starts = recording.starts_us[:windows].tolist()
    return all(np.array_equal(binner(start), reference(start)) for start in starts)


def measure_all(seconds: float) -> Iterator[dict[str, object]]:
    """A row for each that is installed, with its time as a multiple of ours."""
    recording = new_recording()
    base_us = 0.0
    for name, make in BINNERS.items():
        if name in LIBRARIES and installed(name) is None:
            console.print(f"{name} is not installed: pip install 'rtdecode\\[bench]'")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own, about rounding and types
            binner = make(recording)
            equal = agrees(binner, recording)
            n, us = measure(binner, recording, seconds / len(BINNERS))
        base_us = base_us or us
        ratio = round(us / base_us, 2)
        yield {"name": name, "n": n, "us_per_window": us, "ratio": ratio, "equal": equal}


def bench_kernels(seconds: float, figures: Path | None, force: bool) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If counts differ, or the file exists.
    """
    check_json(figures, force)
    machine = describe_machine()
    versions = {name: installed(name) or "none" for name in LIBRARIES}
    rows = list(measure_all(seconds))
    ingested = {"ingest_ns_per_spike": round(ingest_ns(new_recording()), 1)}
    load = {"units": UNITS, "spikes_per_s": SPIKES_PER_S, "bins": BINS, "bin_ms": BIN_US / 1e3}
    print_heading("counts of one window, median", machine, **load, **ingested, **versions)
    print_rows(rows, COLUMNS)
    write_json(
        figures, {"machine": machine, **load, **ingested, "versions": versions, "rows": rows}, force
    )
    if differing := [str(row["name"]) for row in rows if not row["equal"]]:
        raise UserError(f"expected the same counts from all, found others from {differing}")
