"""Hours at one load: the last stretch beside the first, and memory all along."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.decoder_run import SHOW_S, WARM_S, Watch, decoder_running, warm
from benchmarks.loopback import own_loopback
from benchmarks.machine import (
    check_json,
    describe_machine,
    print_heading,
    print_rows,
    progress_console,
    write_json,
)
from benchmarks.spike_load import PIPELINE, Answered
from benchmarks.sustained import growth
from rtdecode.kernels.ingest import KINDS
from rtdecode.latency import percentiles

BLOCK_S = 10.0
COLUMNS = ("stretch", "p50", "p95", "p99", "p99.9", "max")
SHARE = 6  # first and last sixth: ten minutes of an hour


@dataclass(frozen=True)
class SoakSettings:
    """What is run.

    Attributes
    ----------
    seconds : float
    spikes_per_s : int
    backend : str
    realtime : bool
        Real-time scheduling for the decoder.
    display : bool
        A display draws the same streams without a screen.
    """

    seconds: float
    spikes_per_s: int
    backend: str
    realtime: bool
    display: bool


def ends(blocks: Sequence[Sequence[Answered]]) -> tuple[dict[str, float], dict[str, float]]:
    """Percentiles of the first sixth and of the last, milliseconds."""
    sixth = max(1, len(blocks) // SHARE)
    first, last = (
        percentiles(w.latency_ms for block in part for w in block if w.received_us and w.pushed_us)
        for part in (blocks[:sixth], blocks[-sixth:])
    )
    return first, last


@dataclass
class Told:
    """What the decoder told of its windows; summed, for an hour has many."""

    kinds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))
    incomplete: int = 0

    def take(self, decisions: Sequence[str]) -> None:
        """Add decisions, JSON."""
        for decision in map(json.loads, decisions):
            self.incomplete += not decision["complete"]
            self.kinds += [decision["spikes"][kind] for kind in KINDS]


def soak(
    settings: SoakSettings, folder: Path
) -> tuple[list[list[Answered]], Told, Sequence[float]]:
    """Windows by block, what was told of them, and the decoder's memory, MiB."""
    blocks: list[list[Answered]] = []
    told = Told()
    n = max(SHARE, round(settings.seconds / BLOCK_S))
    options = ["--realtime"] if settings.realtime else []
    running = decoder_running(folder, settings.backend, *options, display=settings.display)
    with running as (source, process):
        pool = warm(source, settings.spikes_per_s, SHOW_S if settings.display else WARM_S)
        watch = Watch(process)
        with watch.running():
            for block in track(range(n), "soaking", console=progress_console, transient=True):
                blocks.append(source.run_block(PIPELINE, block, pool, settings.seconds / n))
                told.take(source.decisions())
    return blocks, told, watch.memory_mib


def bench_soak(settings: SoakSettings, figures: Path | None, force: bool) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a process fails or the file exists.
    """
    check_json(figures, force)
    machine = describe_machine()
    with own_loopback(), tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
        blocks, told, memory_mib = soak(settings, Path(folder))
    first, last = ends(blocks)
    windows = [window for block in blocks for window in block]
    found: dict[str, object] = {
        "n": len(windows),
        "unanswered": sum(not window.received_us for window in windows),
        "incomplete": told.incomplete,
        "spikes": dict(zip(KINDS, told.kinds.tolist(), strict=True)),
        "first_ms": first,
        "last_ms": last,
        "ratio_p50": round(last["p50"] / first["p50"], 3),
        "ratio_p95": round(last["p95"] / first["p95"], 3),
        "memory_mib": [round(mib, 1) for mib in memory_mib[:: max(1, len(memory_mib) // 60)]],
        "memory_growth_mib": growth(memory_mib),
    }
    conditions = asdict(settings)
    told_of = ("n", "unanswered", "incomplete", "ratio_p50", "ratio_p95", "memory_growth_mib")
    print_heading("soak", machine, **conditions, **{key: found[key] for key in told_of})
    rows: list[dict[str, object]] = [{"stretch": "first sixth", **first}]
    rows.append({"stretch": "last sixth", **last})
    print_rows(rows, COLUMNS)
    write_json(figures, {"machine": machine, **conditions, **found}, force)
