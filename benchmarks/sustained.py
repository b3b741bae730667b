"""A load that should be carried, and one that should not: what is lost, and when it is said."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.cores import Cores
from benchmarks.decoder_run import Watch, decoder_running, warm
from benchmarks.loopback import own_loopback
from benchmarks.machine import check_json, describe_machine, print_heading, print_rows, write_json
from benchmarks.random_bundle import UNITS
from benchmarks.spike_load import PIPELINE, Answered, Source, SpikePool
from rtdecode import streams
from rtdecode.engine import EngineSettings
from rtdecode.kernels.ingest import KINDS
from rtdecode.latency import percentiles
from rtdecode.microseconds import US_PER_MS, US_PER_S

OVERLOAD = 3  # times the load, or as much as the source can send
OVERLOAD_S, OVERLOADED = 10.0, "overload"
LONGEST_PUSH_US = 20_000
LATENESS_US = EngineSettings().lateness_us
IN_TIME_MS = LATENESS_US / US_PER_MS + 20  # after the window's end: 20 to decide and send
COLUMNS = (
    "phase", "spikes_per_s", "sent_per_s", "decided", "in_time", "incomplete", "sent_late",
    "lost", "late", "p50", "p95", "max", "memory_mib", "said_after_s", "source_cores",
    "decoder_cores", "others_cores",
)  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """A stretch of one load.

    Attributes
    ----------
    name : str
    spikes_per_s : int
        Asked for; a source that cannot sends what it can.
    seconds : float
    """

    name: str
    spikes_per_s: int
    seconds: float


def run_phase(source: Source, watch: Watch, phase: Phase, pool: SpikePool) -> dict[str, object]:
    """Send for a while; what became of it."""
    # A source that cannot send as fast as time goes leaves out what it cannot.
    source.most_us = LONGEST_PUSH_US if phase.name == OVERLOADED else US_PER_S
    sent, began_us = source.sent_rows, streams.clock_us()
    memory, cores = len(watch.memory_mib), Cores(source=psutil.Process(), decoder=watch.process)
    windows = source.run_block(PIPELINE, 0, pool, phase.seconds)
    shares = cores.taken()
    took_s = (streams.clock_us() - began_us) / US_PER_S
    told = [json.loads(text) for text in source.decisions()]
    return {
        "phase": phase.name,
        "spikes_per_s": phase.spikes_per_s,
        "sent_per_s": round((source.sent_rows - sent) / took_s),
        "said_after_s": said_after(watch, began_us / US_PER_S),
        "memory_mib": growth(watch.memory_mib[memory:]),
        **shares,
        **answers_of(windows, told),
    }


def answers_of(windows: Sequence[Answered], told: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Windows decided within the lateness by the decoder's own clock, and what it counted.

    A window that waits in vain is decided at its end and the lateness, from what is
    there. Where its last spike was sent later than that, the source was to blame.
    """
    in_time = [decision for decision in told if decision["stages_ms"]["total"] <= IN_TIME_MS]
    kinds = np.sum([[d["spikes"][kind] for kind in KINDS] for d in told] or [[0] * 6], axis=0)
    incomplete = {decision["end_us"] for decision in told if not decision["complete"]}
    sent_late = [
        w for w in windows if w.end_us in incomplete and w.sent_us > w.end_us + LATENESS_US
    ]
    waited = percentiles(w.latency_ms for w in windows if w.received_us and w.pushed_us)
    return {
        "n": len(windows),
        "decided": len(told),
        "in_time": len(in_time),
        "incomplete": len(incomplete),
        "sent_late": len(sent_late),
        **dict(zip(KINDS, kinds.tolist(), strict=True)),
        **waited,
    }


def said_after(watch: Watch, began_s: float) -> float | None:
    """Seconds from the load's begin until health told of trouble; None where it never did."""
    told = [at_s for at_s, said in watch.said if at_s >= began_s and said.get("message")]
    return round(told[0] - began_s, 3) if told else None


def growth(memory_mib: Sequence[float]) -> float:
    """MiB from the first third of the stretch to its last, medians."""
    third = max(1, len(memory_mib) // 3)
    if not memory_mib:
        return 0.0
    return round(float(np.median(memory_mib[-third:]) - np.median(memory_mib[:third])), 2)


def bench_sustained(
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
    overload = min(OVERLOAD_S, seconds)
    phases = [
        Phase("sustained", spikes_per_s, seconds),
        Phase(OVERLOADED, OVERLOAD * spikes_per_s, overload),
        Phase("after", spikes_per_s, overload),
    ]
    pools = {phase: SpikePool(phase.spikes_per_s, UNITS) for phase in phases}
    with (
        own_loopback(),
        tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as folder,
        decoder_running(Path(folder), backend) as (source, process),
    ):
        warm(source, spikes_per_s)
        watch = Watch(process)
        with watch.running():
            rows = [run_phase(source, watch, phase, pools[phase]) for phase in phases]
    said = sorted({str(said["message"]) for _, said in watch.said if said.get("message")})
    conditions = {"seconds": seconds, "units": UNITS, "backend": backend}
    print_heading("spikes a second without end", machine, **conditions, health_said=said)
    print_rows(rows, COLUMNS)
    write_json(figures, {"machine": machine, **conditions, "said": said, "rows": rows}, force)
