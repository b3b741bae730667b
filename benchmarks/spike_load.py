"""Spikes at a rate, for as long as it takes, and the process that sends them and is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.echo import FLOOR_POSTERIOR, FLOOR_STIMULI
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session.model import Units

POOL_US = 2 * US_PER_S
TICK_US = 1 * US_PER_MS  # a source sends what it has this often
EVERY_US = (75 * US_PER_MS, 125 * US_PER_MS)  # onset to onset, at random: no grid
PATIENCE_US = 500 * US_PER_MS
FLOOR, PIPELINE = "floor", "pipeline"
LOOK_S = 0.2
WARM_TRIES = 30


class SpikePool:
    """Poisson spikes of units whose rates differ, two seconds that come again and again."""

    def __init__(self, spikes_per_s: int, n_units: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        n = spikes_per_s * POOL_US // US_PER_S
        times_us = rng.integers(0, POOL_US, n)
        rates = rng.lognormal(0.0, 1.0, n_units)
        ids = rng.choice(n_units, n, p=rates / rates.sum())
        # A unit twice in one microsecond is a duplicate to us, and two spikes to the peers.
        place = np.unique(times_us * n_units + ids)
        self._times_us: NDArray[np.int64] = place // n_units
        self._ids = (place % n_units).astype(np.int32)

    def between(self, low_us: int, high_us: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Unit ids and times of the spikes in ``[low_us, high_us)``."""
        ids, times_us = [], []
        for turn in range(low_us // POOL_US, (high_us - 1) // POOL_US + 1):
            origin_us = turn * POOL_US
            low, high = np.searchsorted(self._times_us, [low_us - origin_us, high_us - origin_us])
            ids.append(self._ids[low:high])
            times_us.append(self._times_us[low:high] + origin_us)
        return np.concatenate(ids), np.concatenate(times_us)


@dataclass
class Answered:
    """One window as its sender saw it, LSL clock, microseconds; 0 for not yet.

    Its last spike was handed to LSL between ``pushed_us`` and ``sent_us``.
    """

    kind: str
    block: int
    onset_us: int
    end_us: int
    pushed_us: int = 0
    sent_us: int = 0
    received_us: int = 0
    posterior: NDArray[np.float32] | None = None

    @property
    def latency_ms(self) -> float:
        """From the push of its last spike to its posterior."""
        return (self.received_us - self.pushed_us) / US_PER_MS


class Source:
    """Sends spikes and markers in ticks, and waits for posteriors between them."""

    def __init__(
        self, n_units: int, duration_us: int, floor: bool = True, decisions: bool = True
    ) -> None:
        self._tells = decisions
        self.most_us = US_PER_S  # longest stretch of spikes in one push; what is before is left out
        ids = np.arange(n_units)
        areas = np.full(n_units, "VISp")
        units = Units(ids, areas, np.zeros(n_units), np.full(n_units, "probe"))
        self._spikes = streams.SpikeOutlet(units, streams.SPIKES)
        names = {PIPELINE: streams.STIMULI} | ({FLOOR: FLOOR_STIMULI} if floor else {})
        self._stimuli = {kind: streams.TextOutlet(name) for kind, name in names.items()}
        self._duration_us = duration_us
        self._rng = np.random.default_rng(2)
        self._sent_us = streams.clock_us()
        self._waiting: list[Answered] = []

    @property
    def sent_rows(self) -> int:
        """Rows sent so far, spikes and watermarks; the sequence begins anew at 2^31."""
        return self._spikes.sequence

    def connect(self, timeout_s: float = 180.0) -> None:
        """Wait for whoever answers: their posteriors, their ears."""
        names = {PIPELINE: streams.POSTERIOR, FLOOR: FLOOR_POSTERIOR}
        form = streams.POSTERIOR_FORMAT
        self._answers = {
            kind: streams.PosteriorInlet(self._await(names[kind], form, timeout_s))
            for kind in self._stimuli
        }
        if self._tells:
            found = self._await(streams.DECISIONS, streams.TEXT_FORMAT, timeout_s)
            self._decisions = streams.TextInlet(found)
            self._decisions.open()
        for inlet in self._answers.values():
            inlet.open()
        self._wait_for_ears(timeout_s)

    def _await(self, name: str, form: streams.Format, timeout_s: float) -> streams.Found:
        """A stream that may be made only when spikes have come: watermarks go out meanwhile."""
        lookout, until = streams.Lookout(name, form), time.monotonic() + timeout_s
        while time.monotonic() < until:
            if (found := lookout.wait(LOOK_S)) is not None:
                return found
            self._tick_idle()
        raise UserError(f"expected stream {name} of the benchmark; none in {timeout_s:g} s")

    def _wait_for_ears(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while not all(outlet.has_consumers() for outlet in self._stimuli.values()):
            if time.monotonic() > until:
                raise UserError("expected decoder and echo to listen; they do not: run it again")
            self._tick_idle()

    def _tick_idle(self) -> None:
        self._sent_us = streams.clock_us()
        self._spikes.push(np.array([streams.WATERMARK]), np.array([self._sent_us]))
        time.sleep(0.01)

    def run_block(
        self, kind: str, block: int, pool: SpikePool, seconds: float, asks: bool = True
    ) -> list[Answered]:
        """Send for a while; the windows that one side was asked for, if it is."""
        inlet, done = self._answers[kind], []
        stop_us = streams.clock_us() + round(seconds * US_PER_S)
        self._sent_us = streams.clock_us()
        next_onset_us = self._sent_us
        tick_us = self._sent_us
        while tick_us < stop_us or self._waiting:
            if asks and next_onset_us <= tick_us and next_onset_us + self._duration_us < stop_us:
                self._open_window(kind, block, next_onset_us)
                next_onset_us += int(self._rng.integers(*EVERY_US))
            self._send(pool)
            tick_us = max(tick_us + TICK_US, streams.clock_us() - TICK_US)
            done += self._listen(inlet, tick_us)
        return done

    def warm(self, pool: SpikePool, seconds: float) -> None:
        """Send for a while, again and again until a window is answered.

        Whoever listens may still compile: on a busy machine, or after a change of
        the sources, that takes longer than any stretch that one would choose.
        """
        for _ in range(WARM_TRIES):
            if any(window.received_us for window in self.run_block(PIPELINE, -1, pool, seconds)):
                return
        raise UserError("expected an answer to the benchmark's first windows; none came")

    def _open_window(self, kind: str, block: int, onset_us: int) -> None:
        self._stimuli[kind].push("1", onset_us)
        self._waiting.append(Answered(kind, block, onset_us, onset_us + self._duration_us))

    def _send(self, pool: SpikePool) -> None:
        """Every spike up to now, then the watermark; note which windows that completes."""
        now_us = streams.clock_us()
        ids, times_us = pool.between(max(self._sent_us, now_us - self.most_us), now_us)
        ids = np.append(ids, np.int32(streams.WATERMARK))
        times_us = np.append(times_us, now_us)
        self._sent_us = now_us
        pushed_us = streams.clock_us()
        self._spikes.push(ids, times_us)
        pushed = [w for w in self._waiting if not w.pushed_us and w.end_us <= now_us]
        for window in pushed:
            window.pushed_us, window.sent_us = pushed_us, streams.clock_us()

    def _listen(self, inlet: streams.PosteriorInlet, until_us: int) -> list[Answered]:
        """Wait for posteriors until the next tick; windows answered, or given up."""
        done: list[Answered] = []
        while True:  # once at least: a source that is behind looks as well
            left_us = max(0, until_us - streams.clock_us())
            samples, stamps = inlet.pull(left_us / US_PER_S)
            received_us = streams.clock_us()
            for posterior, stamp in zip(samples, stamps.tolist(), strict=True):
                done += self._answered(streams.microseconds(stamp), received_us, posterior)
            if received_us >= until_us:
                break
        given_up_us = streams.clock_us() - PATIENCE_US
        lost = [w for w in self._waiting if w.pushed_us and w.end_us < given_up_us]
        self._waiting = [window for window in self._waiting if window not in lost]
        return done + lost

    def _answered(
        self, end_us: int, received_us: int, posterior: NDArray[np.float32]
    ) -> Iterator[Answered]:
        for window in self._waiting:
            if window.end_us == end_us:
                window.received_us = received_us
                window.posterior = posterior
                self._waiting.remove(window)
                yield window
                return

    def decisions(self) -> list[str]:
        """What the decoder has told since the last call, JSON."""
        return [text for text, _ in self._decisions.pull()]

    def end(self) -> None:
        """Tell everybody to stop."""
        for outlet in self._stimuli.values():
            outlet.push_json({"rtdecode": "end"}, streams.clock_us())
        for _ in range(50):
            self._tick_idle()
