"""A session as live streams, on the wall clock.

Session time is shifted into the LSL clock's present by a whole number of
microseconds, so that bins fall as they do offline. At another speed than 1 the
stamps keep the session's own spacing and run at that speed through the wall
clock; the stream's description says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replay.probe_outlets import ProbeOutlets
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.markers import END_MARKER, encode_presentation
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session.model import Presentations, Session

TICK_S = 0.001
LEAD_US = 200 * US_PER_MS  # between the first watermark and the first spike
TAIL_US = 1 * US_PER_S  # spikes that follow the last onset, at least


@dataclass(frozen=True)
class ReplaySettings:
    """What is played and how.

    Attributes
    ----------
    speed : float
        Session seconds a second.
    start_us, stop_us : int or None
        Stretch of the session; all of it by default.
    tables : sequence of str
        Stimulus tables whose presentations are told; all but spontaneous by default.
    spikes, stimuli : str
        Names of the streams.
    by_probe : bool
        A spike stream for every probe, named ``SPIKES-PROBE``.
    """

    speed: float = 1.0
    start_us: int | None = None
    stop_us: int | None = None
    tables: Sequence[str] = ()
    spikes: str = streams.SPIKES
    stimuli: str = streams.STIMULI
    by_probe: bool = False


@dataclass(frozen=True)
class Marker:
    """A marker to be: (onset, session microseconds) and its fields."""

    onset_us: int
    fields: dict[str, object]


class Player:
    """Plays a session once.

    Parameters
    ----------
    session : Session
    settings : ReplaySettings
    """

    def __init__(self, session: Session, settings: ReplaySettings) -> None:
        self.settings = settings
        times_us, rows = session.in_time_order()
        self.start_us, self.stop_us = _stretch(session, times_us, settings)
        low, high = np.searchsorted(times_us, [self.start_us, self.stop_us])
        self._times_us = times_us[low:high]
        self._ids = session.units.ids.astype(np.int32)[rows[low:high]]
        self.markers = _markers(session, settings.tables, self.start_us, self.stop_us)
        about = {"session": session.name, "speed": f"{settings.speed:g}"}
        outlet = ProbeOutlets if settings.by_probe else streams.SpikeOutlet
        self._spikes = outlet(session.units, settings.spikes, replay=about)
        self._stimuli = streams.TextOutlet(settings.stimuli)
        self.sent_spikes = 0
        self.sent_markers = 0
        self.stopped = False

    @property
    def duration_s(self) -> float:
        """Wall seconds that the replay takes."""
        return (self.stop_us - self.start_us) / US_PER_S / self.settings.speed

    @property
    def total_spikes(self) -> int:
        """Spikes of the stretch."""
        return len(self._times_us)

    def has_listeners(self) -> bool:
        """Whether somebody listens to both streams."""
        return self._spikes.has_consumers() and self._stimuli.has_consumers()

    def play(self, on_tick: Callable[[float], None] = lambda share: None) -> None:
        """Send everything at its time; ``on_tick`` is told the share that is done.

        However it ends, the end is told: a decoder that waits for it would wait
        for ever.
        """
        # By whole seconds: sliding windows lie on the same grid as in the session's own time.
        wanted_us = streams.clock_us() + LEAD_US - self.start_us
        self._shift_us = -(-wanted_us // US_PER_S) * US_PER_S
        self._origin_us = self.start_us + self._shift_us
        now_us = self.start_us - 1
        while now_us < self.stop_us and not self.stopped:
            now_us = min(self._session_now_us(), self.stop_us)
            self._send_until(now_us)
            on_tick((now_us - self.start_us) / max(1, self.stop_us - self.start_us))
            time.sleep(TICK_S)
        self._tell_end(now_us)

    def stop(self) -> None:
        """End after the tick at hand: what was sent, and what was said of it, agree."""
        self.stopped = True

    def _tell_end(self, now_us: int) -> None:
        """The end, and a watermark that reaches it."""
        end_us = np.array([now_us + self._shift_us])
        self._spikes.push(np.array([streams.WATERMARK], np.int32), end_us)
        self._stimuli.push_json(END_MARKER, int(end_us[0]))

    def _session_now_us(self) -> int:
        elapsed_us = streams.clock_us() - self._origin_us
        return self.start_us + round(elapsed_us * self.settings.speed)

    def _send_until(self, now_us: int) -> None:
        """Markers of onsets that are over, every spike before now, then the watermark."""
        while self.sent_markers < len(self.markers):
            marker = self.markers[self.sent_markers]
            if marker.onset_us > now_us:
                break
            self._stimuli.push_json(marker.fields, marker.onset_us + self._shift_us)
            self.sent_markers += 1
        upto = int(np.searchsorted(self._times_us, now_us))
        fresh = slice(self.sent_spikes, max(upto, self.sent_spikes))
        ids = np.append(self._ids[fresh], np.int32(streams.WATERMARK))
        times_us = np.append(self._times_us[fresh], now_us) + self._shift_us
        self._spikes.push(ids, times_us)
        self.sent_spikes = fresh.stop


def _stretch(
    session: Session, times_us: NDArray[np.int64], settings: ReplaySettings
) -> tuple[int, int]:
    """First and last microsecond to play: asked for, or all spikes and presentations."""
    stops = [int(table.stop_us[-1]) for table in session.presentations.values() if len(table)]
    starts = [int(table.start_us[0]) for table in session.presentations.values() if len(table)]
    if len(times_us):
        starts.append(int(times_us[0]))
        stops.append(int(times_us[-1]) + 1)
    start_us = min(starts, default=0) if settings.start_us is None else settings.start_us
    stop_us = max(stops, default=0) + TAIL_US if settings.stop_us is None else settings.stop_us
    return start_us, stop_us


def _markers(session: Session, tables: Sequence[str], start_us: int, stop_us: int) -> list[Marker]:
    names = tables or [name for name in session.presentations if name != "spontaneous"]
    if absent := sorted(set(names) - set(session.presentations)):
        raise UserError(
            f"expected stimulus tables of {session.name}, found no {', '.join(absent)} among "
            f"{', '.join(session.presentations) or 'none'}: name some of these"
        )
    markers = [
        marker for name in names for marker in _table_markers(session.presentations[name], name)
    ]
    within = [marker for marker in markers if start_us <= marker.onset_us < stop_us]
    return sorted(within, key=lambda marker: marker.onset_us)


def _table_markers(table: Presentations, name: str) -> list[Marker]:
    columns = {key: values.tolist() for key, values in table.columns.items()}
    return [
        Marker(
            onset_us,
            encode_presentation(name, {key: columns[key][i] for key in columns}, onset_us),
        )
        for i, onset_us in enumerate(table.start_us.tolist())
    ]
