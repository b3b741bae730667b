"""Labelled windows off live streams, through the engine that decodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rtdecode import sources, streams
from rtdecode.backends import no_sums
from rtdecode.bundle import BundleInfo
from rtdecode.decision import CountArray, Decision, ProbabilityArray
from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import WATERMARKS
from rtdecode.live_settings import LiveSettings
from rtdecode.markers import Kind, read_marker
from rtdecode.microseconds import FOREVER_US, INVALID_US, US_PER_MS, US_PER_S
from rtdecode.pump import PlainPump
from rtdecode.session.model import Units
from rtdecode.stream_clock import StreamClock

LOOK_S = 0.2
PULL_US = 20 * US_PER_MS
PATIENCE_US = 1 * US_PER_S  # nobody waits for these windows, so they may wait for their spikes


@dataclass
class Trials:
    """Counts and class of each trial so far."""

    counts: list[NDArray[np.uint16]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    onsets_us: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.codes)

    def arrays(self) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """Counts (n, bins, units) uint16 and codes (n,) int64."""
        return np.array(self.counts, np.uint16), np.array(self.codes, np.int64)


class LiveTrials:
    """Collects trials.

    Parameters
    ----------
    donor : BundleInfo
        Its task, classes and window are wanted.
    inlets : sequence of SpikeInlet or CountRows
    stimuli : TextInlet
    units : Units
        What the counts are of.
    how : LiveSettings
        What the rig's markers mean, and how a decoder of it treats time.

    Attributes
    ----------
    trials : Trials
    unit_ids, unit_areas : tuple
    session : str
        What is played, or the streams' names.
    ended : bool
        A replay has come to its end, and every window of it is decided.
    incomplete : int
        Labelled windows that were left out, for spikes of theirs are missing.
    """

    def __init__(
        self,
        donor: BundleInfo,
        inlets: Sequence[sources.RowInlet],
        stimuli: streams.TextInlet,
        units: Units,
        how: LiveSettings,
    ) -> None:
        self.trials = Trials()
        self.incomplete = 0
        self.unit_ids = tuple(units.ids.tolist())
        self.unit_areas = tuple(units.areas.tolist())
        replayed = inlets[0].replay()
        self.session = replayed.get("session") or ",".join(i.stream.name for i in inlets)
        speed = float(replayed.get("speed", "1"))
        self._donor, self._stimuli, self._markers = donor, stimuli, how.markers
        lateness_us = round(PATIENCE_US * max(1.0, speed))
        settings = replace(how.engine, lateness_us=lateness_us, hop_us=0)
        self._engine = Engine(units.ids, donor.window, self._no_answer, settings)
        self._engine.hear(len(inlets))
        self._pump = PlainPump(inlets, self._engine, no_sums())
        self._clock = StreamClock(self._engine, speed)
        self._code_of = {label: code for code, label in enumerate(donor.classes)}
        self._nothing: ProbabilityArray = np.zeros(len(donor.classes), np.float32)
        self._end_us = FOREVER_US

    @classmethod
    def open(
        cls,
        donor: BundleInfo,
        how: LiveSettings,
        goes_on: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> LiveTrials | None:
        """Wait for the streams and listen; None where told to stop before.

        Raises
        ------
        UserError
            If they are of the wrong kind, or one of them tells no units.
        """
        formats = [(name, streams.SPIKE_FORMAT) for name in how.spikes]
        formats += [(name, streams.COUNT_FORMAT) for name in how.counts]
        formats.append((how.stimuli, streams.TEXT_FORMAT))
        waits = []
        for name, form in formats:
            tell(f"waiting for {sources.sought(name, form)}")
            waits.append(sources.wait_for(name, form, LOOK_S, goes_on))
            if not waits[-1]:
                return None
        *found, markers = [stream for wait in waits for stream in wait]
        chosen: list[Units] = []
        inlets = sources.open_rows(found, lambda told: chosen.append(units_to_decode(donor, told)))
        told = sum(len(inlet.units()) for inlet in inlets)
        tell(f"listening to {len(chosen[0])} of {told} units for {donor.task}")
        return cls(donor, inlets, sources.open_stimuli(markers), chosen[0], how)

    @property
    def ended(self) -> bool:
        """See the class."""
        return self._engine.watermark_us >= self._end_us and self._engine.next_end_us is None

    def pull(self) -> None:
        """Take what has come, and the windows that it closes; waits a little for rows."""
        self._take_markers()
        latest_us = self._clock.latest_us(self._engine.settings.ahead_us)
        self._pump.until(FOREVER_US, streams.clock_us() + PULL_US, latest_us)
        for decision in self._engine.step(self._clock.now_us()):
            self._keep(decision)

    def _take_markers(self) -> None:
        for text, onset_us in self._stimuli.pull():
            marker = read_marker(text, self._donor.label_rule, self._code_of, self._markers)
            if marker.kind is Kind.END:
                self._end_us = onset_us
            elif marker.kind is Kind.USED and self._is_usable(onset_us):
                self._engine.mark(onset_us, marker.label, marker.session_us)

    def _is_usable(self, onset_us: int) -> bool:
        latest_us = self._clock.latest_us(self._engine.settings.ahead_us)
        sane = onset_us != INVALID_US and onset_us <= latest_us
        return sane and not self._engine.is_too_old(onset_us)

    def _keep(self, decision: Decision) -> None:
        """A trial, where every spike of it has come; or as far as a silent source lets us know."""
        silent = not self._engine.intake.tally[WATERMARKS]
        if not (decision.complete or silent):
            self.incomplete += 1
            return
        window = decision.window
        self.trials.counts.append(decision.counts.copy())
        self.trials.codes.append(self._code_of[window.label])
        told_us = window.session_us
        self.trials.onsets_us.append(window.onset_us if told_us is None else told_us)

    def _no_answer(self, counts: CountArray) -> ProbabilityArray:
        return self._nothing


def units_to_decode(donor: BundleInfo, told: Units | None) -> Units:
    """The donor's own units where the streams have them all, else all that they have.

    Raises
    ------
    UserError
        If a stream tells of no units.
    """
    if told is None:
        raise UserError(
            "expected every stream to tell its units in its description, found one that does not: "
            "let its sender name them, for who is silent at first is a unit too"
        )
    row_of = {unit_id: row for row, unit_id in enumerate(told.ids.tolist())}
    if set(donor.unit_ids) <= set(row_of):
        return told.take(np.array([row_of[i] for i in donor.unit_ids], np.int64))
    return told
