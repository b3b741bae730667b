"""From the push of a window's last spike to its posterior, beside the floor in the same run.

Source (this process), echo (the floor), the real decoder and, in half of the
rows, the display. All hear the same spikes all the time; blocks alternate in
who is told of windows and so answers.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from benchmarks.loopback import own_loopback
from benchmarks.machine import (
    check_json,
    console,
    describe_machine,
    print_heading,
    progress_console,
    write_json,
)
from rtdecode.errors import UserError

if TYPE_CHECKING:
    from benchmarks.armed import Port
    from benchmarks.spike_load import Source, SpikePool

LOADS = (5_000, 20_000, 100_000)
BLOCKS = 5  # of each kind, at least
BLOCK_S = 6.0  # longest block: more of them, not longer ones
WINDOW_MS = 250
COLD = 2  # windows at the head of a block that do not count: the other side was asked before


@dataclass(frozen=True)
class LatencySettings:
    """What is measured.

    Attributes
    ----------
    seconds : float
        A row's length, floor and pipeline together.
    loads : tuple of int
        Spikes a second.
    displays : tuple of bool
    backends : tuple of str
    realtime : bool
        Real-time scheduling for decoder and echo alike.
    records : tuple of bool
        Whether the decoder's run is recorded.
    bins : int
        Of the window of 250 ms, all of one length.
    """

    seconds: float = 60.0
    loads: tuple[int, ...] = LOADS
    displays: tuple[bool, ...] = (False, True)
    backends: tuple[str, ...] = ("torchscript",)
    realtime: bool = False
    records: tuple[bool, ...] = (False,)
    bins: int = 10

    @property
    def window(self) -> str:
        """The window, as ``WindowSpec`` is written; UserError where the bins do not fit."""
        if self.bins < 1 or WINDOW_MS % self.bins:
            raise UserError(
                f"expected bins of whole milliseconds in {WINDOW_MS} ms, found {self.bins}: "
                "give 1, 2, 5, 10, 25, 50, 125 or 250"
            )
        return f"0:{WINDOW_MS}:{WINDOW_MS // self.bins}"


@dataclass(frozen=True)
class About:
    """What is about the source in one row after another."""

    display: bool
    backend: str
    record: bool


def bench_latency(settings: LatencySettings, json_file: Path | None, force: bool) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a process fails or the file exists.
    """
    check_json(json_file, force)
    window = settings.window
    machine = describe_machine()
    with own_loopback(), tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
        rows, compute_ms = _measure(settings, Path(folder))
    n = sum(int(str(row["n"])) for row in rows)
    print_heading(
        "latency: last spike of a window pushed to posterior received, ms",
        machine,
        units=700,
        classes=119,
        window=window,
        n=n,
        realtime=settings.realtime,
        model_alone_p50_ms=compute_ms["p50"],
    )
    _print(rows)
    figures = {
        "machine": machine,
        "realtime": settings.realtime,
        "window": window,
        "model_alone_ms": compute_ms,
        "rows": rows,
    }
    write_json(json_file, figures, force)


def _measure(
    settings: LatencySettings, folder: Path
) -> tuple[list[dict[str, object]], dict[str, float]]:
    from benchmarks.random_bundle import write_random_bundle

    bundle = folder / "decoder.pt"
    write_random_bundle(bundle, window=settings.window)
    compute_ms = model_alone_ms(bundle)
    rows: list[dict[str, object]] = []
    surroundings = [
        About(*each)
        for each in itertools.product(settings.displays, settings.backends, settings.records)
    ]
    with Progress(console=progress_console, transient=True) as progress:
        task = progress.add_task("latency", total=len(surroundings) * len(settings.loads))
        for about in surroundings:
            for row in _rows_of(settings, folder, about):
                rows.append(row)
                progress.advance(task)
    return rows, compute_ms


def model_alone_ms(bundle: Path, n: int = 2000) -> dict[str, float]:
    """The same model called back to back, milliseconds: the floor of computing."""
    import numpy as np

    from rtdecode.decoder import Decoder
    from rtdecode.latency import percentiles
    from rtdecode.realtime import settle

    settle()
    decoder = Decoder.load(bundle)
    counts = np.random.default_rng(3).poisson(0.5, decoder.info.shape).astype(np.uint16)
    decoder.warm_up()
    marks = [time.perf_counter_ns()]
    for _ in range(n):
        decoder.predict(counts)
        marks.append(time.perf_counter_ns())
    return percentiles(np.diff(marks) / 1e6)


def _rows_of(settings: LatencySettings, folder: Path, about: About) -> Iterator[dict[str, object]]:
    """The rows of one set of processes: every load in turn."""
    from benchmarks.armed import serial_port
    from benchmarks.latency_rows import row_of
    from benchmarks.random_bundle import UNITS
    from benchmarks.spike_load import FLOOR, PIPELINE, SpikePool

    blocks = max(BLOCKS, round(settings.seconds / 2 / BLOCK_S))
    block_s = settings.seconds / 2 / blocks
    with serial_port() as port, running(folder, about, settings.realtime, port) as source:
        for load in settings.loads:
            pool = SpikePool(load, UNITS)
            windows = []
            source.warm(pool, 1.5)  # fills the ring at this load
            source.decisions()
            for block in range(blocks):
                for kind in (FLOOR, PIPELINE):
                    windows += source.run_block(kind, block, pool, block_s)[COLD:]
            told = [json.loads(text) for text in source.decisions()]
            row = {"spikes_per_s": load, **asdict(about), "bins": settings.bins}
            row |= row_of(windows, told)
            if port is not None:
                row["stages_ms"] = row["stages_ms"] | _trigger_ms(source, pool, block_s, port)
            yield row


def _trigger_ms(
    source: Source, pool: SpikePool, seconds: float, port: Port
) -> dict[str, dict[str, float]]:
    """The stage from decision to byte, of a stretch of its own: elsewhere nothing is armed."""
    from benchmarks.latency_rows import trigger_stage
    from benchmarks.spike_load import PIPELINE

    with port.armed():
        source.run_block(PIPELINE, -1, pool, seconds)
    time.sleep(0.1)
    return trigger_stage([json.loads(text) for text in source.decisions()])


@contextmanager
def running(folder: Path, about: About, realtime: bool, port: Port | None) -> Iterator[Source]:
    """Echo, decoder and display about a source of this process."""
    from benchmarks.decoder_run import show
    from benchmarks.random_bundle import UNITS
    from benchmarks.spike_load import Source
    from replay.processes import Processes
    from rtdecode import streams
    from rtdecode.realtime import settle

    own = ["--realtime"] if realtime else []
    options = ["--spikes", streams.SPIKES, "--stimuli", streams.STIMULI, *own]
    options += ["--backend", about.backend, *(port.options if port is not None else ())]
    options += ["--record", str(folder / "run.nwb"), "--force"] if about.record else []
    source = Source(UNITS, 250_000)
    with Processes(progress_console) as processes:
        processes.start("echo", ["bench", "echo", *own], log=folder / "echo.log")
        processes.start(
            "decoder",
            ["decode", folder / "decoder.pt", "--once", *options],
            log=folder / "decoder.log",
        )
        if about.display:
            show(processes, folder)
        source.connect()
        settle()
        yield source
        source.end()
        processes.wait(60.0)


def _print(rows: list[dict[str, object]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    heads = (
        "spikes/s",
        "display",
        "record",
        "backend",
        "n",
        "floor p50",
        "p95",
        "ours p50",
        "p95",
        "p99",
    )
    for name in (
        *heads,
        "p99.9",
        "max",
        "ratio p50",
        "p95",
        "wire in",
        "bin",
        "infer",
        "out",
        "trigger",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=max(console.width, 160), highlight=False).print(table)


def _cells(row: dict[str, object]) -> Iterator[str]:
    floor, ours, stages = row["floor_ms"], row["pipeline_ms"], row["stages_ms"]
    assert isinstance(floor, dict)
    assert isinstance(ours, dict)
    assert isinstance(stages, dict)
    yield f"{row['spikes_per_s']:,}"
    yield from ("on" if row[name] else "off" for name in ("display", "record"))
    yield str(row["backend"])
    yield f"{row['n']:,}"
    yield from (f"{floor[name]:.3f}" for name in ("p50", "p95"))
    yield from (f"{ours[name]:.3f}" for name in ("p50", "p95", "p99", "p99.9", "max"))
    yield from (f"{row[name]:.2f}" for name in ("ratio_p50", "ratio_p95"))
    yield from (f"{stages[name]['p50']:.3f}" for name in ("wire_in", "bin", "infer", "wire_out"))
    yield f"{stages['trigger']['p50']:.3f}" if "trigger" in stages else ""


def run_echo(realtime: bool) -> None:
    """The echo process."""
    from rtdecode.realtime import raise_priority

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if realtime:
        raise_priority()
    from benchmarks.echo import Echo

    Echo(250_000).run()
