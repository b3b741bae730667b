"""Hours at one load: the last stretch beside the first, and memory all along."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from benchmarks.decoder_run import Watch, decoder_running, warm
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
COLUMNS = ("stretch", "n", "p50", "p95", "p99", "p99.9", "max")
SHARE = 6  # first and last sixth: ten minutes of an hour


def ends(blocks: Sequence[Sequence[Answered]]) -> tuple[dict[str, float], dict[str, float]]:
    """Percentiles of the first sixth and of the last, milliseconds."""
    sixth = max(1, len(blocks) // SHARE)
    first, last = (
        percentiles(w.latency_ms for block in part for w in block if w.received_us and w.pushed_us)
        for part in (blocks[:sixth], blocks[-sixth:])
    )
    return first, last


def bench_soak(
    seconds: float, spikes_per_s: int, backend: str, figures: Path | None, force: bool
) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a process fails or the file exists.
    """
    check_json(figures, force)
    machine = describe_machine()
    blocks: list[list[Answered]] = []
    kinds = np.zeros(len(KINDS), np.int64)
    incomplete = 0
    with (
        own_loopback(),
        tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder,
        decoder_running(Path(folder), backend) as (source, process),
    ):
        pool = warm(source, spikes_per_s)
        watch = Watch(process)
        n = max(SHARE, round(seconds / BLOCK_S))
        with watch.running():
            for block in track(range(n), "soaking", console=progress_console, transient=True):
                blocks.append(source.run_block(PIPELINE, block, pool, seconds / n))
                told = [json.loads(text) for text in source.decisions()]
                incomplete += sum(not decision["complete"] for decision in told)
                for decision in told:
                    kinds += [decision["spikes"][kind] for kind in KINDS]
    first, last = ends(blocks)
    windows = [window for block in blocks for window in block]
    found: dict[str, object] = {
        "n": len(windows),
        "unanswered": sum(not window.received_us for window in windows),
        "incomplete": incomplete,
        "spikes": dict(zip(KINDS, kinds.tolist(), strict=True)),
        "first_ms": first,
        "last_ms": last,
        "ratio_p50": round(last["p50"] / first["p50"], 3),
        "ratio_p95": round(last["p95"] / first["p95"], 3),
        "memory_mib": [
            round(mib, 1) for mib in watch.memory_mib[:: max(1, len(watch.memory_mib) // 60)]
        ],
        "memory_growth_mib": growth(watch.memory_mib),
    }
    conditions = {"seconds": seconds, "spikes_per_s": spikes_per_s, "backend": backend}
    told_of = ("n", "unanswered", "incomplete", "ratio_p50", "ratio_p95", "memory_growth_mib")
    print_heading("soak", machine, **conditions, **{key: found[key] for key in told_of})
    rows: list[dict[str, object]] = [{"stretch": "first", "n": len(blocks), **first}]
    rows.append({"stretch": "last", "n": len(blocks), **last})
    print_rows(rows, COLUMNS)
    write_json(figures, {"machine": machine, **conditions, **found}, force)
