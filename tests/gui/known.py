"""Input of known content: what each panel must draw is worked out from it by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rtdecode.gui.packets import Batch, Decision, DecoderInfo, Onset
from rtdecode.gui.reports import Health, Trigger
from rtdecode.session.model import Units

S = 1_000_000
START_US = 1_000_000 * S
CLASSES = ("0", "90", "180", "270")
DECODER = DecoderInfo("a decoder on a rig", CLASSES, "drifting_gratings.orientation", "", "", 5.0)
STAGES_MS = {"wire_in": 0.3, "wait": 0.1, "bin": 0.02, "infer": 0.28, "wire_out": 0.2}


def units(n: int = 8, areas: tuple[str, ...] = ("VISp", "LGd")) -> Units:
    """Units 100, 101, …; areas take turns, each next unit lies 10 um deeper."""
    return Units(
        np.arange(100, 100 + n),
        np.array([areas[i % len(areas)] for i in range(n)]),
        -10.0 * np.arange(n, dtype=float),
        np.array(["probe"] * n),
    )


def spikes(times_us: list[int], unit_ids: list[int], watermark_us: int) -> Batch:
    """A batch of spikes up to a watermark."""
    return Batch(
        spikes_us=np.array(times_us, np.int64),
        spike_units=np.array(unit_ids, np.int32),
        watermark_us=watermark_us,
        heard={"spikes"},
    )


def decision(
    number: int,
    top: str,
    label: str = "",
    p: float = 0.9,
    stages_ms: Mapping[str, float] = STAGES_MS,
) -> Decision:
    """Window `number`: one every half second, 100 ms long."""
    onset_us = START_US + number * S // 2
    end_us = onset_us + S // 10
    return Decision(number, onset_us, onset_us, end_us, top, p, label, stages_ms=dict(stages_ms))


def decided(*decisions: Decision, classes: tuple[str, ...] = CLASSES) -> Batch:
    """A batch of decisions with their posteriors: p for the top, the rest shared out."""
    rows = np.zeros((len(decisions), len(classes)), np.float32)
    for row, said in zip(rows, decisions, strict=True):
        row[:] = (1 - said.p) / (len(classes) - 1)
        row[classes.index(said.top)] = said.p
    ends = np.array([said.end_us for said in decisions], np.int64)
    onsets = [Onset(said.onset_us, {"orientation": 0.0}) for said in decisions]
    return Batch(
        posterior_us=ends,
        posteriors=rows,
        decisions=list(decisions),
        onsets=onsets,
        watermark_us=max(said.end_us for said in decisions),
        heard={"spikes", "posterior", "decisions", "stimuli"},
    )


def healthy(state: str = "DECODING", **values: object) -> Batch:
    """A batch of one health report."""
    said = Health(state, spikes_per_s=1234.0, watermark_lag_ms=3.0, windows=7)
    return Batch(healths=[Health(**{**said.__dict__, **values})], heard={"health"})


def answers(*fired: bool) -> Batch:
    """A batch of trigger reports."""
    return Batch(triggers=[Trigger(yes, "" if yes else "dose") for yes in fired])
