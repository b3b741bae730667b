"""Labelled windows off live streams, through the engine that decodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.bundle import BundleInfo
from rtdecode.decision import CountArray, Decision, ProbabilityArray
from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import WATERMARKS
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.markers import Kind, read_marker
from rtdecode.microseconds import FOREVER_US, INVALID_US, US_PER_S
from rtdecode.session.model import Units
from rtdecode.stream_clock import StreamClock

LOOK_S, PULL_S = 0.2, 0.02
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
    spikes : SpikeInlet
    stimuli : TextInlet
    units : Units
        What the counts are of.

    Attributes
    ----------
    trials : Trials
    unit_ids, unit_areas : tuple
    session : str
        What is played, or the stream's name.
    ended : bool
        A replay has come to its end, and every window of it is decided.
    incomplete : int
        Labelled windows that were left out, for spikes of theirs are missing.
    """

    def __init__(
        self,
        donor: BundleInfo,
        spikes: streams.SpikeInlet,
        stimuli: streams.TextInlet,
        units: Units,
    ) -> None:
        self.trials = Trials()
        self.incomplete = 0
        self.unit_ids = tuple(units.ids.tolist())
        self.unit_areas = tuple(units.areas.tolist())
        replayed = spikes.replay()
        self.session = replayed.get("session", spikes.stream.name)
        self._speed = float(replayed.get("speed", "1"))
        self._donor, self._spikes, self._stimuli = donor, spikes, stimuli
        settings = EngineSettings(lateness_us=round(PATIENCE_US * max(1.0, self._speed)))
        self._engine = Engine(units.ids, donor.window, self._no_answer, settings)
        self._clock = StreamClock(self._engine, self._speed)
        self._code_of = {label: code for code, label in enumerate(donor.classes)}
        self._nothing: ProbabilityArray = np.zeros(len(donor.classes), np.float32)
        self._times_us = np.empty(1 << 16, np.int64)
        self._end_us = FOREVER_US

    @classmethod
    def open(
        cls,
        donor: BundleInfo,
        spikes: str,
        stimuli: str,
        goes_on: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> LiveTrials | None:
        """Wait for the streams and listen; None where told to stop before.

        Raises
        ------
        UserError
            If they are of the wrong kind, or the spikes' stream tells no units.
        """
        found = _wait_for(spikes, streams.SPIKE_FORMAT, goes_on, tell)
        markers = _wait_for(stimuli, streams.TEXT_FORMAT, goes_on, tell) if found else None
        if found is None or markers is None:
            return None
        inlet, texts = streams.SpikeInlet(found), streams.TextInlet(markers)
        units = units_to_decode(donor, inlet.units(), found.name)
        inlet.open()
        texts.open()
        tell(f"listening to {len(units)} units for {donor.task}")
        return cls(donor, inlet, texts, units)

    @property
    def ended(self) -> bool:
        """See the class."""
        return self._engine.watermark_us >= self._end_us and self._engine.next_end_us is None

    def pull(self) -> None:
        """Take what has come, and the windows that it closes; waits a little for rows."""
        self._take_markers()
        samples, stamps = self._spikes.pull(PULL_S)
        n = len(stamps)
        stamps_to_us(stamps, n, self._times_us)
        self._engine.ingest(samples, self._times_us[:n], self._now_us())
        for decision in self._engine.step(self._clock.now_us()):
            self._keep(decision)

    def _now_us(self) -> int:
        """What a stamp is held against; a replay's own clock is not known so well."""
        if self._speed == 1.0:
            return streams.clock_us()
        return FOREVER_US - self._engine.settings.ahead_us

    def _take_markers(self) -> None:
        for text, onset_us in self._stimuli.pull():
            marker = read_marker(text, self._donor.label_rule, self._code_of)
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


def units_to_decode(donor: BundleInfo, told: Units, stream: str) -> Units:
    """The donor's own units where the stream has them all, else all that it has.

    Raises
    ------
    UserError
        If the stream tells of no units.
    """
    if not len(told):
        raise UserError(
            f"expected stream {stream!r} to tell its units in its description, found none: "
            "let its sender name them, for who is silent at first is a unit too"
        )
    row_of = {unit_id: row for row, unit_id in enumerate(told.ids.tolist())}
    if set(donor.unit_ids) <= set(row_of):
        return told.take(np.array([row_of[i] for i in donor.unit_ids], np.int64))
    return told


def _wait_for(
    name: str, form: streams.Format, goes_on: Callable[[], bool], tell: Callable[[str], None]
) -> streams.Found | None:
    tell(f"waiting for a stream {name or 'of type ' + form.kind}")
    lookout = streams.Lookout(name, form)
    while goes_on():
        if (found := lookout.wait(LOOK_S)) is not None:
            return found
    return None
