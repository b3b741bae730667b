"""Stimulus markers as they come: each counted, and where it is an onset, a window opened."""

from __future__ import annotations

from rtdecode.bundle import BundleInfo
from rtdecode.engine import Engine
from rtdecode.health import Health
from rtdecode.markers import Kind, Marker, MarkerMap, read_marker
from rtdecode.microseconds import INVALID_US
from rtdecode.stream_clock import StreamClock
from rtdecode.streams import TextInlet


class Onsets:
    """Turns the marker stream into windows.

    Parameters
    ----------
    engine : Engine
    info : BundleInfo
        Says which stimuli count and what each is called.
    health : Health
        Keeps how many markers were of each kind.
    clock : StreamClock
    names : MarkerMap
        What the rig's own markers mean.

    Attributes
    ----------
    end_us : int or None
        When a replay has ended.
    shift_us : int
        From a session's own time to the stream's, where windows slide and markers tell it.
    """

    def __init__(
        self,
        engine: Engine,
        info: BundleInfo,
        health: Health,
        clock: StreamClock,
        names: MarkerMap,
    ) -> None:
        self.end_us: int | None = None
        self.shift_us = 0
        self._engine = engine
        self._rule = info.label_rule
        self._classes = frozenset(info.classes)
        self._health = health
        self._clock = clock
        self._names = names

    def take(self, stimuli: TextInlet) -> None:
        """All markers that have come."""
        for text, onset_us in stimuli.pull():
            marker = read_marker(text, self._rule, self._classes, self._names)
            if marker.kind is Kind.END:
                self.end_us = onset_us
                self._engine.slide_until(onset_us)
                continue
            kind = self._checked(marker.kind, onset_us)
            self._health.markers[kind.value] += 1
            if kind in (Kind.USED, Kind.UNMAPPED):
                self._use(marker, onset_us)

    def _use(self, marker: Marker, onset_us: int) -> None:
        """Open the marker's window; where windows slide, it tells the session's time alone."""
        if not self._engine.settings.hop_us:
            self._engine.mark(onset_us, marker.label, marker.session_us)
        elif marker.session_us is not None:
            self.shift_us = onset_us - marker.session_us

    def _checked(self, kind: Kind, onset_us: int) -> Kind:
        """The kind of a marker when its stamp is looked at as well."""
        if kind not in (Kind.USED, Kind.UNMAPPED):
            return kind
        latest_us = self._clock.latest_us(self._engine.settings.ahead_us)
        if onset_us == INVALID_US or onset_us > latest_us:
            return Kind.MALFORMED
        return Kind.TOO_OLD if self._engine.is_too_old(onset_us) else kind
