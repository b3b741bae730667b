"""The engine: spikes and markers in, decisions out; no stream, no clock, no thread.

Live, it is fed by LSL; on the virtual clock, by a recorded session. A window is
complete when the source's watermark has passed its end. It closes then, or when
its end and the allowed lateness are over on the clock that the caller passes in.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtdecode.decision import CountArray, Decision, ProbabilityArray, Window
from rtdecode.early import StoppingRule, first_bins
from rtdecode.errors import UserError
from rtdecode.kernels import ingest as rows
from rtdecode.kernels.parts import Parts, gather, ingest_part, make_parts
from rtdecode.kernels.ring import HEAD, OPEN_FROM_US, bin_ring_window
from rtdecode.microseconds import FOREVER_US, NEVER_US, US_PER_S
from rtdecode.windows import Hops, WindowSpec

GOES_ON_US = 1 * US_PER_S  # rows so long after the end are of a source that goes on


@dataclass(frozen=True)
class EngineSettings:
    """How the engine treats time.

    Attributes
    ----------
    lateness_us : int
        How long after its end, on the clock, a window waits for a watermark.
    dedup_us : int
        How far back a spike's duplicate is looked for; 0 for not at all.
    ahead_us : int
        A stamp this far ahead of the clock comes from another clock: malformed.
    retain_us : int
        How long spikes are kept for a marker that comes after them.
    capacity : int
        Spikes that the ring holds.
    hop_us : int
        Windows open by themselves, their ends a hop apart; 0 for at markers alone.
    early : bool
        Decide within the window as soon as the bundle is sure enough.
    decide_at : float
        The top probability that is enough then; 0 for what the bundle states.
    """

    lateness_us: int = 50_000
    dedup_us: int = 100_000
    ahead_us: int = 1_000_000
    retain_us: int = 1_000_000
    capacity: int = 1 << 21
    hop_us: int = 0
    early: bool = False
    decide_at: float = 0.0


def _no_tick() -> int:
    return 0


def _tell_nobody(window: Window, probabilities: ProbabilityArray) -> None:
    pass


class Follower(Protocol):
    """One who follows each window's spikes while it is open."""

    def open(self, window: Window) -> None:
        """A window has opened."""

    def drop(self, window: Window) -> None:
        """A window will not be decided."""

    def answer(self, window: Window) -> ProbabilityArray | None:
        """What the model says of a window that ends now; None where its counts must tell."""


class Engine:
    """Windows over spikes: open at a marker or at a fixed hop, complete, decide.

    Parameters
    ----------
    unit_ids : (units,) int64
        The columns of the counts.
    spec : WindowSpec
    predict : callable
        (bins, units) uint16 to (classes,) float32.
    settings : EngineSettings
    tick : callable, optional
        A nanosecond counter that times the stages; none by default.
    rule : StoppingRule, optional
        When to decide before a window's last bin; never without.

    Attributes
    ----------
    follower : Follower or None
        Told of every window that opens, and asked for its answer before its counts are made.
    on_answer : callable
        Called with a window that is decided and its probabilities, before all bookkeeping.
    skipped : int
        Sliding windows that were due when they were worth no decision any more.
    parts : Parts or None
        What differs from stream to stream where there are several.
    """

    def __init__(
        self,
        unit_ids: NDArray[np.int64],
        spec: WindowSpec,
        predict: Callable[[CountArray], ProbabilityArray],
        settings: EngineSettings | None = None,
        tick: Callable[[], int] = _no_tick,
        rule: StoppingRule | None = None,
    ) -> None:
        self.settings = settings or EngineSettings()
        if rule is not None and self.settings.hop_us:
            raise UserError(
                "expected windows at markers where decisions fall early, found sliding ones: "
                "leave out one of the two"
            )
        self.rule = rule
        self.spec = spec
        retain_us = self.settings.retain_us + spec.duration_us
        self.intake = rows.make_intake(unit_ids, self.settings.capacity, retain_us)
        self._predict = predict
        self._tick = tick
        self._counts = np.zeros((spec.n_bins, len(unit_ids)), np.uint16)
        self.parts: Parts | None = None
        self.follower: Follower | None = None
        self.on_answer: Callable[[Window, ProbabilityArray], None] = _tell_nobody
        self.skipped = 0
        self._hops = Hops(self.settings.hop_us, spec) if self.settings.hop_us else None
        self._open: list[Window] = []
        self._opened = 0
        self._reported = np.zeros(len(rows.KINDS), np.int64)

    @property
    def totals(self) -> dict[str, int]:
        """Rows by kind since the start."""
        return dict(zip(rows.KINDS, self.intake.tally.tolist(), strict=False))

    @property
    def watermark_us(self) -> int:
        """Every spike before this has been sent, says the source."""
        return int(self.intake.state[rows.WATERMARK_US])

    @property
    def next_window(self) -> Window | None:
        """The window that closes next; None where none is open."""
        return self._open[0] if self._open else None

    @property
    def next_end_us(self) -> int | None:
        """When that window ends."""
        return self._open[0].end_us if self._open else None

    def decide_with(
        self,
        predict: Callable[[CountArray], ProbabilityArray],
        rule: StoppingRule | None = None,
    ) -> None:
        """Decide with another model from the next window on; nobody follows for it yet."""
        self._predict, self.rule, self.follower = predict, rule, None

    def rehearse(self, counts: CountArray) -> None:
        """Run the model as for the window that closes next, and leave what it says."""
        if self.rule is None:
            self._predict(counts)
        elif self._open:
            self.rule.predict(counts, self._open[0].bins)

    def hear(self, streams: int) -> None:
        """Expect so many spike streams, each with watermarks and a sequence of its own."""
        self.parts = make_parts(streams) if streams > 1 else None

    def set_aside(self, stream: int, aside: bool) -> None:
        """Wait for one of several streams no more, or again; without it no window is complete."""
        assert self.parts is not None
        self.parts.aside[stream] = aside
        gather(self.intake, self.parts)

    def ingest(
        self,
        samples: NDArray[np.int32],
        times_us: NDArray[np.int64],
        now_us: int,
        stream: int = 0,
    ) -> None:
        """Take rows of a spike stream.

        Parameters
        ----------
        samples : (n, 2) int32
            Unit id (-1 for a watermark) and sequence.
        times_us : (n,) int64
        now_us : int
            The stream's clock.
        stream : int
            Which of several.
        """
        latest_us = now_us + self.settings.ahead_us
        self.take(stream, samples, times_us, len(samples), latest_us, self.settings.dedup_us)

    def take(
        self,
        stream: int,
        samples: NDArray[np.int32],
        times_us: NDArray[np.int64],
        n: int,
        latest_us: int,
        dedup_us: int,
    ) -> None:
        """Take the first ``n`` rows of a pull from one stream; see ``rows.ingest``."""
        if self.parts is None:
            rows.ingest(self.intake, samples, times_us, n, latest_us, dedup_us)
            return
        ingest_part(self.intake, self.parts, stream, samples, times_us, n, latest_us, dedup_us)
        gather(self.intake, self.parts)

    def mark(self, onset_us: int, label: str = "", session_us: int | None = None) -> Window:
        """Open the window of a stimulus onset."""
        window = self._open_window(onset_us, label, session_us)
        self._keep_open_windows()
        return window

    def _open_window(
        self, onset_us: int, label: str = "", session_us: int | None = None, sliding: bool = False
    ) -> Window:
        start_us = onset_us + self.spec.offset_us
        bins = self.spec.n_bins if self.rule is None else self.rule.steps[0]
        end_us = start_us + bins * self.spec.bin_us
        window = Window(end_us, self._opened, start_us, onset_us, bins, label, session_us, sliding)
        self._opened += 1
        heapq.heappush(self._open, window)
        if self.follower is not None:
            self.follower.open(window)
        return window

    def slide_until(self, last_us: int) -> None:
        """Open no sliding window that ends after this, and drop those that are open.

        A source that goes on for a second after it, the next replay, has windows again.
        """
        if self._hops is not None:
            self._hops.last_us = last_us
        for window in [w for w in self._open if w.sliding and w.end_us > last_us]:
            self._open.remove(window)
            self._drop(window)
        heapq.heapify(self._open)
        self._keep_open_windows()

    def _slide(self, now_us: int) -> None:
        """Open the sliding windows that have begun, but those that are overdue already."""
        state = self.intake.state
        if self._hops is None or state[rows.FIRST_US] == NEVER_US:
            return
        heard_us = int(max(state[rows.WATERMARK_US], state[rows.NEWEST_US]))
        if heard_us > self._hops.last_us + GOES_ON_US:
            self._hops.go_on(heard_us)
        # A stamp far ahead of the clock must not open every window up to it.
        reached_us = min(heard_us, now_us + self.settings.ahead_us)
        if self._hops.waits(reached_us):
            return
        ends_us, skipped = self._hops.begun(
            int(state[rows.FIRST_US]), reached_us, now_us - self._patience_us
        )
        self.skipped += skipped
        for end_us in ends_us:
            self._open_window(self._hops.onset_of(end_us), sliding=True)
        self._keep_open_windows()

    @property
    def _patience_us(self) -> int:
        """How long after its end a sliding window is still worth a decision."""
        return 2 * self.settings.lateness_us + self.settings.hop_us

    def _drop(self, window: Window) -> None:
        if self.follower is not None:
            self.follower.drop(window)

    def is_too_old(self, onset_us: int) -> bool:
        """Whether the spikes of this onset's window are forgotten, or none was ever heard."""
        ring = self.intake.ring
        start_us = onset_us + self.spec.offset_us
        if start_us + self.spec.duration_us <= self.intake.state[rows.FIRST_US]:
            return True
        head, capacity = int(ring.state[HEAD]), len(ring.peak_us)
        return head > capacity and bool(ring.peak_us[head % capacity] >= start_us)

    def step(self, now_us: int) -> Iterator[Decision]:
        """Decide every window that is complete or has waited long enough.

        A sliding window that comes too late for that, after stale data or where
        decisions take longer than a hop, is passed over and counted in ``skipped``.

        Parameters
        ----------
        now_us : int
            The stream's clock.
        """
        self._slide(now_us)
        while self._open:
            end_us = self._open[0].end_us
            by_watermark = self.watermark_us >= end_us
            if not by_watermark and now_us < end_us + self.settings.lateness_us:
                return
            window = heapq.heappop(self._open)
            if window.sliding and end_us < now_us - self._patience_us:
                self.skipped += 1
                self._drop(window)
                continue
            decision = self._decide(window, by_watermark)
            if decision is not None:
                yield decision

    def _decide(self, window: Window, by_watermark: bool) -> Decision | None:
        """The decision; None where what has come is not enough yet and the window stays open."""
        started = self._tick()
        probabilities = self._followed(window)
        if probabilities is not None:
            infer_ns = self._tick() - started
            self.on_answer(window, probabilities)
            # Nobody waits for the counts: they are made when the answer is out.
            return self._close(window, probabilities, self._bin(window), by_watermark, 0, infer_ns)
        in_window = self._bin(window)
        binned = self._tick()
        rule, counts = self.rule, self._counts
        probabilities = self._predict(counts) if rule is None else rule.predict(counts, window.bins)
        infer_ns = self._tick() - binned
        if rule is not None and not rule.is_enough(probabilities, window.bins):
            self._wait_for(window, rule.next_step(window.bins))
            return None
        self.on_answer(window, probabilities)
        bin_ns = binned - started
        return self._close(window, probabilities, in_window, by_watermark, bin_ns, infer_ns)

    def _followed(self, window: Window) -> ProbabilityArray | None:
        """What a follower says of a window; None where there is none or it can't."""
        if self.follower is None or self.rule is not None:
            return None
        return self.follower.answer(window)

    def _bin(self, window: Window) -> int:
        """Fill the counts; how many spikes they hold."""
        used = self._counts if self.rule is None else first_bins(self._counts, window.bins)
        return int(bin_ring_window(self.intake.ring, window.start_us, self.spec.bin_us, used))

    def _wait_for(self, window: Window, bins: int) -> None:
        """Look at a window again when so many of its bins have come."""
        end_us = window.start_us + bins * self.spec.bin_us
        heapq.heappush(self._open, replace(window, bins=bins, end_us=end_us))

    def _nothing_missing(self, window: Window) -> bool:
        """Whether we listened from the window's start on and no row was lost since."""
        state = self.intake.state
        return bool(state[rows.FIRST_US] <= window.start_us > state[rows.GAP_US])

    def _close(
        self,
        window: Window,
        probabilities: ProbabilityArray,
        in_window: int,
        by_watermark: bool,
        bin_ns: int,
        infer_ns: int,
    ) -> Decision:
        """Take leave of a window that is decided."""
        complete = by_watermark and self._nothing_missing(window)
        state = self.intake.state
        state[rows.CLOSED_US] = max(state[rows.CLOSED_US], window.end_us)
        self._keep_open_windows()
        return Decision(
            window,
            self._counts,
            probabilities,
            in_window,
            by_watermark,
            complete,
            self._rows_since_last(),
            bin_ns,
            infer_ns,
        )

    def _keep_open_windows(self) -> None:
        starts = (window.start_us for window in self._open)
        self.intake.ring.state[OPEN_FROM_US] = min(starts, default=FOREVER_US)

    def _rows_since_last(self) -> NDArray[np.int64]:
        totals = self.intake.tally[: len(rows.KINDS)]
        since = totals - self._reported
        self._reported[:] = totals
        return since
