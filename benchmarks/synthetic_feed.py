"""Batches as the display gets them, drawn by chance: units, classes and rates of a full-size rig.

Noise to be drawn, not data to be decoded: nothing here is an accuracy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rtdecode.gui.packets import STAGES, Batch, Decision, DecoderInfo, Onset
from rtdecode.gui.reports import Health, Policy, Trigger
from rtdecode.session.model import Units

START_US = 1_000_000_000_000
AREAS = ("LGd", "LP", "VISal", "VISam", "VISl", "VISp", "VISpm", "VISrl")
STAGE_MS = dict(zip(STAGES, (0.3, 0.1, 0.02, 0.3, 0.2), strict=True))
WINDOW_US = 250_000
FIRES, REFUSES, THRESHOLD = "fired", "below threshold", 0.6


@dataclass(frozen=True)
class Load:
    """What is shown.

    Attributes
    ----------
    units, classes : int
    rate_hz : float
        Of each unit.
    frames_per_s : int
    windows_per_s : float
    """

    units: int = 1_000
    classes: int = 119
    rate_hz: float = 8.0
    frames_per_s: int = 30
    windows_per_s: float = 4.0

    @property
    def decoder(self) -> DecoderInfo:
        """A decoder of so many classes."""
        classes = tuple(map(str, range(self.classes)))
        return DecoderInfo("a decoder", classes, "natural_scenes.frame", "", "", 5.0)

    def unit_table(self, rng: np.random.Generator) -> Units:
        """Units of eight areas, at random depths."""
        ids = np.arange(1_000, 1_000 + self.units)
        areas = rng.choice(AREAS, self.units)
        depths = rng.uniform(0.0, 3_840.0, self.units)
        return Units(ids, areas, depths, np.full(self.units, "probe"))


class SyntheticFeed:
    """Makes one batch a frame.

    Parameters
    ----------
    load : Load
    seed : int
    """

    def __init__(self, load: Load, seed: int = 1) -> None:
        self.load = load
        self.rng = np.random.default_rng(seed)
        self.n_windows = self.n_spikes = 0
        self.reasons = Counter[str]()

    def batches(self, frames: int) -> Iterator[Batch]:
        """The connection, and then a batch for each frame."""
        yield Batch(decoder=self.load.decoder, units=self.load.unit_table(self.rng))
        for frame in range(frames):
            yield self._batch(frame)

    def _batch(self, frame: int) -> Batch:
        load, rate = self.load, self.load.frames_per_s
        start_us = START_US + frame * 1_000_000 // rate
        stop_us = START_US + (frame + 1) * 1_000_000 // rate
        n = self.rng.poisson(load.units * load.rate_hz / rate)
        self.n_spikes += n
        batch = Batch(
            spikes_us=np.sort(self.rng.integers(start_us, stop_us, n)),
            spike_units=self.rng.integers(1_000, 1_000 + load.units, n).astype(np.int32),
            watermark_us=stop_us,
            heard={"spikes"},
        )
        batch.posteriors = np.empty((0, load.classes), np.float32)
        while (stop_us - START_US) * load.windows_per_s / 1e6 >= self.n_windows + 1:
            end_us = START_US + round((self.n_windows + 1) * 1e6 / load.windows_per_s)
            self._decide(batch, end_us)
        if frame % (rate // 5) == 0:
            self._report(batch, n * rate)
        return batch

    def _decide(self, batch: Batch, end_us: int) -> None:
        classes = self.load.decoder.classes
        true, odds = int(self.rng.integers(len(classes))), self.rng.normal(size=len(classes))
        odds[true] += 4.0
        p = np.exp(odds) / np.exp(odds).sum()
        top, onset_us = int(p.argmax()), end_us - WINDOW_US
        batch.posterior_us = np.append(batch.posterior_us, end_us)
        batch.posteriors = np.vstack([batch.posteriors, p.astype(np.float32)])
        stages = {stage: ms * float(self.rng.gamma(4, 0.25)) for stage, ms in STAGE_MS.items()}
        said = Decision(self.n_windows, onset_us, onset_us, end_us, classes[top], float(p[top]))
        said = _labelled(said, classes[true], stages)
        batch.decisions.append(said)
        batch.onsets.append(Onset(onset_us, {"frame": true}))
        self._answer(batch, self.n_windows, float(p[top]))
        batch.heard |= {"decisions", "posterior", "stimuli"}
        self.n_windows += 1

    def _report(self, batch: Batch, spikes_per_s: float) -> None:
        counts = {"on_time": self.n_spikes}
        report = Health("DECODING", 1.0, 3.0, spikes_per_s, counts, self.n_windows)
        report = replace(report, every_ms=200.0, policy=self._policy())
        batch.healths.append(report)
        batch.heard.add("health")

    def _answer(self, batch: Batch, window: int, p: float) -> None:
        """An answer of the trigger for each window, as a decoder gives it."""
        reason = FIRES if p > THRESHOLD else REFUSES
        self.reasons[reason] += 1
        batch.triggers.append(Trigger(reason == FIRES, reason, window, p))

    def _policy(self) -> Policy:
        fired, refused = self.reasons[FIRES], self.reasons[REFUSES]
        fires_at, reasons = self.load.decoder.classes[:1], dict(self.reasons)
        return Policy("armed", "as asked", fires_at, fired, 0, refused, reasons, 50_000)


def _labelled(said: Decision, label: str, stages: dict[str, float]) -> Decision:
    return Decision(**{**said.__dict__, "label": label, "stages_ms": stages})
