"""All that the display knows, as arrays and numbers. No widget, no socket, no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.freshness import Freshness
from rtdecode.gui.history import usual_interval_us
from rtdecode.gui.packets import Batch, Decision, DecoderInfo, Onset
from rtdecode.gui.performance import Performance
from rtdecode.gui.raster import NO_UNITS, UnitOrder
from rtdecode.gui.rates import Rates
from rtdecode.gui.reports import Bridge, Health
from rtdecode.gui.rings import SlidingTable, SpikeTable
from rtdecode.gui.timing import Timing
from rtdecode.gui.triggers import TriggerLog
from rtdecode.microseconds import US_PER_S

#: How much can be scrolled back to.
KEEP_SPIKES, KEEP_DECISIONS, KEEP_ONSETS = 1_500_000, 8_000, 4_000
#: Of windows that slide a hundred come a second: figures over many are drawn anew less often.
FIGURES_HZ = 8.0
#: States in which the decoder itself says that something is wrong.
TROUBLED = ("STALE", "FAULTED")
#: What is missed when a stream is silent.
MISSED = {"spikes": "spikes", "health": "word from the decoder"}
#: How long a decoder that waits for its streams may say nothing, seconds.
GET_READY_S = 10.0
#: A spike stamped this far past the newest is from another clock: it is not drawn.
FAR_AHEAD_US = 10_000_000


@dataclass(frozen=True)
class View:
    """What a frame shows.

    Attributes
    ----------
    end_us : int
        The right edge of everything drawn over time, LSL microseconds.
    now_s : float
        The steady clock that ages are counted on.
    paused : bool
        Whether the edge stands still.
    """

    end_us: int
    now_s: float
    paused: bool = False


@dataclass(frozen=True)
class Trouble:
    """Why what is shown cannot be trusted as live, and for how long, seconds."""

    what: str
    age_s: float


class DisplayState:
    """The newest of each stream, and what follows from it.

    Parameters
    ----------
    decoder : DecoderInfo

    Attributes
    ----------
    stride : int
        Decisions from one drawing of the figures over many to the next.
    interval_us : int
        From one decision to the next, as is usual.
    """

    def __init__(self, decoder: DecoderInfo) -> None:
        self.decoder = decoder
        self.order: UnitOrder = NO_UNITS
        self.spikes = SpikeTable(KEEP_SPIKES)
        self.posterior_us = SlidingTable(KEEP_DECISIONS, np.int64)
        self.posteriors = SlidingTable(KEEP_DECISIONS, np.float32, (len(decoder.classes),))
        self.decisions: deque[Decision] = deque(maxlen=KEEP_DECISIONS)
        self.onsets: deque[Onset] = deque(maxlen=KEEP_ONSETS)
        self.onset_us = SlidingTable(KEEP_ONSETS, np.int64)
        self.rates = Rates()
        self.performance = Performance(decoder.classes)
        self.timing = Timing()
        self.freshness = Freshness()
        self.health: Health | None = None
        self.bridge: Bridge | None = None
        self.triggers = TriggerLog()
        self.malformed = self.n_decisions = self.n_healths = self.n_onsets = 0
        self.newest_us, self.stride, self.interval_us = 0, 1, US_PER_S
        self.ended = False
        self._decided_s: float | None = None
        self._troubled_s: float | None = None

    def apply(self, batch: Batch, now_s: float) -> None:
        """Take in what arrived at `now_s`, seconds of a steady clock."""
        if batch.decoder is not None:
            self.decoder = batch.decoder
        if batch.units is not None:
            self.order = UnitOrder.of(batch.units)
            self.spikes.clear()
        self.freshness.hear(batch.heard, now_s)
        self._apply_spikes(batch)
        self._apply_decisions(batch, now_s)
        self._apply_healths(batch.healths, now_s)
        self.triggers.add(batch.triggers, now_s)
        self.bridge = batch.bridge or self.bridge
        self.onsets.extend(batch.onsets)
        self.onset_us.extend(np.array([onset.time_us for onset in batch.onsets], np.int64))
        self.n_onsets += len(batch.onsets)
        self.malformed += batch.malformed
        # Whoever sends spikes again after an end has begun anew; a source alone goes on with
        # no decoder, until the next one speaks.
        stopped = self.health is not None and self.health.state == "STOPPED"
        self.ended = batch.ended or stopped or (self.ended and not len(batch.spikes_us))

    def _apply_spikes(self, batch: Batch) -> None:
        times = batch.spikes_us
        if batch.watermark_us is not None:
            # The last said, not the greatest: a clock that steps back takes the view along.
            self.newest_us = batch.watermark_us
        elif len(times):
            self.newest_us = int(times[-1])
        near = times < self.newest_us + FAR_AHEAD_US
        self.spikes.extend(times[near], self.order.rows_of(batch.spike_units[near]))

    def _apply_decisions(self, batch: Batch, now_s: float) -> None:
        if batch.posteriors.shape[1] != len(self.decoder.classes):
            self.malformed += len(batch.posteriors)
        else:
            self.posterior_us.extend(batch.posterior_us)
            self.posteriors.extend(batch.posteriors)
        if batch.decisions:
            self._decided_s = now_s
            self.interval_us = usual_interval_us(self.posterior_us.rows, US_PER_S)
            self.stride = max(1, round(US_PER_S / FIGURES_HZ / max(1, self.interval_us)))
            self.n_decisions += len(batch.decisions)
            # For as long as a decision is kept, not all that it says is needed.
            self.decisions.extend(replace(d, spikes={}, stages_ms={}) for d in batch.decisions)
            self.performance.add(batch.decisions)
            self.timing.add(batch.decisions, self.decoder.deadline_ms)

    def _apply_healths(self, healths: list[Health], now_s: float) -> None:
        if not healths:
            return
        counts = self.health.spikes if self.health else {}
        self.health = healths[-1]
        if not self.health.spikes:
            # The watchdog of a loop that is stuck cannot count.
            self.health = replace(self.health, spikes=counts)
        self.n_healths += len(healths)
        # One that gets ready has nothing to show yet, and compiles: it may be silent for longer.
        waits = self.health.state == "WAITING"
        self.freshness.tell("health", GET_READY_S if waits else self.health.every_ms / 1_000)
        if self.health.policy is not None:
            self.triggers.hear(self.health.policy)
        for health in healths:
            self.rates.add(health.spikes_per_s, now_s)
        if self.health.state not in TROUBLED:
            self._troubled_s = None
        elif self._troubled_s is None:
            self._troubled_s = now_s

    @property
    def live_us(self) -> int:
        """The right edge of a live view: the newest of spikes and decisions."""
        return max(self.newest_us, self.decisions[-1].end_us if self.decisions else 0)

    def decisions_since(self, start_us: int) -> list[Decision]:
        """Decisions whose window ended after `start_us`, the newest first."""
        return list(
            takewhile(lambda decision: decision.end_us > start_us, reversed(self.decisions))
        )

    def decision_at(self, end_us: int) -> Decision | None:
        """The newest decision whose window ended by `end_us`."""
        return next((d for d in reversed(self.decisions) if d.end_us <= end_us), None)

    def posterior_at(self, end_us: int) -> NDArray[np.float32] | None:
        """The newest posterior whose window ended by `end_us`, (classes,) float32."""
        ended = np.flatnonzero(self.posterior_us.rows <= end_us)
        return self.posteriors.rows[ended[-1]] if len(ended) else None

    def decision_age_s(self, now_s: float) -> float:
        """Seconds since a decision arrived; infinite if none did."""
        return float("inf") if self._decided_s is None else now_s - self._decided_s

    @property
    def notice(self) -> str:
        """What the decoder or a bridge has to say while it works; empty for nothing."""
        told = [report.message for report in (self.health, self.bridge) if report is not None]
        return "; ".join(dict.fromkeys(message for message in told if message))

    @property
    def silent(self) -> list[str]:
        """Names of the spike streams that the decoder says are silent."""
        return [s.name for s in self.health.streams if s.silent] if self.health else []

    def trouble(self, now_s: float) -> Trouble | None:
        """Why what is shown cannot be trusted as live; None when it can."""
        if self.ended:
            return None
        silent = self.freshness.silent(now_s)
        if silent:
            return Trouble("no " + " or ".join(MISSED[s] for s in silent), max(silent.values()))
        if self.health and self._troubled_s is not None:
            reason = f": {self.health.message}" if self.health.message else ""
            return Trouble(f"decoder {self.health.state}{reason}", now_s - self._troubled_s)
        return None
