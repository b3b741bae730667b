"""Windows at a fixed hop: whether each is decided, with every spike that was sent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.decoder_run import WARM_S, Watch, decoder_running, warm
from benchmarks.loopback import own_loopback
from benchmarks.machine import check_json, describe_machine, print_heading, print_rows, write_json
from benchmarks.random_bundle import UNITS, WINDOW
from benchmarks.spike_load import PIPELINE, Source, SpikePool
from rtdecode import streams
from rtdecode.latency import percentiles
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.windows import WindowSpec

HOP_MS = 10
LEAD_US = 100 * US_PER_MS  # nothing is sent between two blocks
COLUMNS = (
    "backend", "spikes_per_s", "due", "decided", "skipped", "incomplete", "as_sent", "p50", "p95",
    "p99", "max",
)  # fmt: skip


def told_of(source: Source) -> Iterator[Mapping[str, Any]]:
    """All that the decoder has told since the last time."""
    while decisions := source.decisions():
        yield from map(json.loads, decisions)


def run_row(backend: str, spikes_per_s: int, seconds: float, folder: Path) -> dict[str, object]:
    """What becomes of every window that is due in a stretch."""
    spec = WindowSpec.parse(WINDOW)
    with decoder_running(folder, backend, "--sliding", HOP_MS) as (source, process):
        pool = warm(source, spikes_per_s)
        watch = Watch(process)
        with watch.running():
            source.run_block(PIPELINE, -1, pool, WARM_S, asks=False)  # until health is heard
            began_us = streams.clock_us() + LEAD_US
            list(told_of(source))
            source.run_block(PIPELINE, 0, pool, seconds, asks=False)
            stop_us = streams.clock_us() - US_PER_S  # the last may still be on their way
            told = list(told_of(source))
    hop_us = HOP_MS * US_PER_MS
    first_us = -(-(began_us + spec.duration_us) // hop_us) * hop_us
    due = range(first_us, stop_us, hop_us)
    decided = [decision for decision in told if decision["end_us"] in due]
    skipped = [said.get("windows_skipped", 0) for _, said in watch.said]
    return {
        "backend": backend,
        "spikes_per_s": spikes_per_s,
        "due": len(due),
        "decided": len(decided),
        "skipped": skipped[-1] - skipped[0],
        "incomplete": sum(not decision["complete"] for decision in decided),
        "as_sent": sum(is_as_sent(decision, pool) for decision in decided),
        **percentiles(decision["stages_ms"]["total"] for decision in decided),
    }


def is_as_sent(decision: Mapping[str, Any], pool: SpikePool) -> bool:
    """Whether a window has exactly the spikes that were sent."""
    ids, _ = pool.between(decision["start_us"], decision["end_us"])
    return bool(decision["in_window"] == len(ids))


def bench_sliding(
    seconds: float, spikes_per_s: int, backends: tuple[str, ...], figures: Path | None, force: bool
) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a process fails or the file exists.
    """
    check_json(figures, force)
    machine = describe_machine()
    rows = []
    # One for all rows: liblsl reads its settings once a process.
    with own_loopback():
        for backend in backends:
            with tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder:
                rows.append(run_row(backend, spikes_per_s, seconds, Path(folder)))
    conditions = {"seconds": seconds, "units": UNITS, "window": WINDOW, "hop_ms": HOP_MS}
    print_heading("windows at a fixed hop", machine, **conditions)
    print_rows(rows, COLUMNS)
    write_json(figures, {"machine": machine, **conditions, "rows": rows}, force)
