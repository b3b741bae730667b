"""Windows as their sender saw them, and what the decoder said of them, into figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.spike_load import FLOOR, PIPELINE, Answered
from rtdecode.latency import percentiles
from rtdecode.microseconds import US_PER_MS

STAGES = ("wire_in", "wait", "bin", "infer", "wire_out")
TRIGGER = "trigger"


def row_of(windows: Sequence[Answered], told: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Floor, pipeline, stages and ratios.

    The median and p95 are medians over blocks; what is rarer than a block can
    show (p99 and beyond) is taken over all windows.
    """
    # Where the source itself was held up beyond the lateness, the decoder does not wait for it.
    early = [window for window in windows if window.received_us and not window.pushed_us]
    answered = [window for window in windows if window.received_us and window.pushed_us]
    floor, ours = ([w for w in answered if w.kind == kind] for kind in (FLOOR, PIPELINE))
    floor_ms, ours_ms = summary(floor), summary(ours)
    return {
        "n": len(ours),
        "n_floor": len(floor),
        "answered_before_pushed": len(early),
        "unanswered": len(windows) - len(answered) - len(early),
        "floor_ms": floor_ms,
        "pipeline_ms": ours_ms,
        "stages_ms": stages(ours, told),
        "ratio_p50": round(ours_ms["p50"] / floor_ms["p50"], 3),
        "ratio_p95": round(ours_ms["p95"] / floor_ms["p95"], 3),
    }


def summary(windows: Sequence[Answered]) -> dict[str, float]:
    """Percentiles of latency, milliseconds: of blocks' medians, and of all."""
    blocks = sorted({window.block for window in windows})
    each = [percentiles(w.latency_ms for w in windows if w.block == block) for block in blocks]
    found = percentiles(window.latency_ms for window in windows)
    for name in ("p50", "p95"):
        found[name] = round(float(np.median([block[name] for block in each])), 4)
    return found


def stages(
    windows: Sequence[Answered], told: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Percentiles of each stage, all windows together.

    ``wire_in``: push of the last spike to its rows in the ring; ``wait``: from
    the window's end to the watermark that says so, before any push;
    ``wire_out``: from the answer of the model to the sender's hands.
    """
    by_end = {decision["end_us"]: decision["stages_ms"] for decision in told}
    found = [
        _stages_of(window, by_end[window.end_us]) for window in windows if window.end_us in by_end
    ]
    return {stage: percentiles(each[stage] for each in found) for stage in STAGES}


def trigger_stage(told: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """From the model's answer to the byte that was written, where triggers fired; else nothing."""
    found = [
        decision["stages_ms"][TRIGGER] for decision in told if TRIGGER in decision["stages_ms"]
    ]
    return {TRIGGER: percentiles(found)} if found else {}


def _stages_of(window: Answered, said: Mapping[str, float]) -> dict[str, float]:
    arrived_ms = window.end_us / US_PER_MS + said["wait"] + said["wire_in"]
    decided_ms = arrived_ms + said["bin"] + said["infer"]
    return {
        "wire_in": arrived_ms - window.pushed_us / US_PER_MS,
        "wait": said["wait"],
        "bin": said["bin"],
        "infer": said["infer"],
        "wire_out": window.received_us / US_PER_MS - decided_ms,
    }
