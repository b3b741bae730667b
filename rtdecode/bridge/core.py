"""From messages to rows: the bridge without its socket and its clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtdecode.bridge.device_clock import DeviceClock
from rtdecode.bridge.onset_labels import UNLABELLED, NoLabels, OnsetLabels
from rtdecode.bridge.open_ephys import Spike, Ttl, read_message
from rtdecode.bridge.unit_ids import UnitIds
from rtdecode.microseconds import US_PER_MS, US_PER_S

LEAST_LAG_US, MOST_LAG_US = 5 * US_PER_MS, 500 * US_PER_MS
LEARN_US = 2_000 * US_PER_MS  # from the first message to the first watermark
UNSORTED = 0


@dataclass(frozen=True)
class BridgeSettings:
    """What of an acquisition system crosses.

    Attributes
    ----------
    stream : str
        The acquisition's stream to take; empty for all.
    ttl_line : int or None
        The line whose rising edges are onsets.
    ttl_stream : str
        Its stream; empty for the first that has the line.
    unsorted : bool
        Whether spikes without a unit cross.
    offset_us : int
        Smallest delay of a message, as a loop-back measures it: taken off every time.
    lag_us : int
        How long after its time a spike may come; 0 for as measured.
    silent_us : int
        Without a spike for this long, time is not told to have passed.
    """

    stream: str = ""
    ttl_line: int | None = None
    ttl_stream: str = ""
    unsorted: bool = False
    offset_us: int = 0
    lag_us: int = 0
    silent_us: int = 1000 * US_PER_MS


@dataclass
class Source:
    """One stream of the acquisition system."""

    clock: DeviceClock = field(default_factory=DeviceClock)
    spikes: int = 0
    heard_us: int = 0
    since_us: int = 0
    restarts: int = 0


class Bridge:
    """Turns messages into rows of the spike stream, and edges into onsets.

    Parameters
    ----------
    settings : BridgeSettings
    ids : UnitIds
    labels : OnsetLabels, optional

    Attributes
    ----------
    labels : OnsetLabels
        May be given later too.
    sources : dict of str to Source
        The acquisition's streams by name.
    seen : dict of str to int
        Messages by kind.
    onsets : dict of str to int
        ``sent``; ``unlabelled`` among them; ``edges_lost``: rises without a fall between.
    late : int
        Spikes that came after the watermark had passed them.
    """

    def __init__(
        self, settings: BridgeSettings, ids: UnitIds, labels: OnsetLabels | None = None
    ) -> None:
        self.settings = settings
        self.ids = ids
        self.labels = labels or NoLabels()
        self.sources: dict[str, Source] = {}
        self.seen = dict.fromkeys(
            ("spikes", "unsorted", "ttl", "malformed", "other_stream", "strange"), 0
        )
        self.onsets = dict.fromkeys(("sent", "unlabelled", "edges_lost"), 0)
        self.late = 0
        self._ttl_stream = settings.ttl_stream
        self._high = False
        self._waiting: list[int] = []
        self._watermark_us = 0

    @property
    def restarts(self) -> int:
        """How often acquisition began anew, over all streams."""
        return sum(source.clock.restarts for source in self.sources.values())

    def take(
        self, messages: Sequence[Sequence[bytes]], arrival_us: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Understand messages that were read at once.

        Parameters
        ----------
        messages : sequence of sequence of bytes
        arrival_us : int
            LSL clock.

        Returns
        -------
        unit_ids : (n,) int32
        times_us : (n,) int64
            LSL clock.
        """
        events = self._sort(messages)
        ids: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
        times: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        for stream, mine in events.items():
            source = self.sources.setdefault(stream, Source())
            device_us = _device_us(mine)
            sane = source.clock.see(device_us, arrival_us)
            self.seen["strange"] += int((~sane).sum())
            times_us = source.clock.lsl_us(device_us) - self.settings.offset_us
            fine = sane.tolist()
            for event, time_us, is_sane in zip(mine, times_us.tolist(), fine, strict=True):
                if is_sane and type(event) is Ttl:
                    self._edge(event, time_us)
            units = np.array([self._unit(event) for event in mine], np.int32)
            keep = sane & (units >= 0)
            ids.append(units[keep])
            times.append(times_us[keep])
            if source.restarts != source.clock.restarts or not source.since_us:
                source.restarts, source.since_us = source.clock.restarts, arrival_us
            if keep.any():
                source.spikes += int(keep.sum())
                source.heard_us = arrival_us
        joined_us = np.concatenate(times)
        self.late += int((joined_us < self._watermark_us).sum())
        return np.concatenate(ids), joined_us

    def _sort(self, messages: Sequence[Sequence[bytes]]) -> dict[str, list[Spike | Ttl]]:
        """Messages that are to cross, by stream; the others are counted."""
        events: dict[str, list[Spike | Ttl]] = defaultdict(list)
        seen, settings = self.seen, self.settings
        for frames in messages:
            event = read_message(frames)
            if event is None:
                seen["malformed"] += 1
            elif type(event) is Ttl:
                seen["ttl"] += 1
                events[event.stream].append(event)
            elif settings.stream and event.stream != settings.stream:
                seen["other_stream"] += 1
            elif event.sorted_id == UNSORTED and not settings.unsorted:  # type: ignore[union-attr]
                seen["unsorted"] += 1
            else:
                seen["spikes"] += 1
                events[event.stream].append(event)
        return events

    def _unit(self, event: Spike | Ttl) -> int:
        """The spike's unit; none, -1, of an edge."""
        if type(event) is Ttl:
            return -1
        return self.ids.id_of((event.stream, event.electrode, event.sorted_id))  # type: ignore[union-attr]

    def _edge(self, edge: Ttl, time_us: int) -> None:
        """Note an onset; two rises without a fall between tell of a message that was lost."""
        if edge.line != self.settings.ttl_line:
            return
        self._ttl_stream = self._ttl_stream or edge.stream
        if edge.stream != self._ttl_stream:
            return
        self.onsets["edges_lost"] += edge.state == self._high
        self._high = edge.state
        if edge.state:
            self._waiting.append(time_us)

    def markers(self, now_us: int) -> list[tuple[str, int]]:
        """Onsets whose label is known by now: text and time, in order; each once."""
        told = []
        while self._waiting:
            text = self.labels.label_of(self._waiting[0], now_us)
            if text is None:
                break
            told.append((text, self._waiting.pop(0)))
            self.onsets["sent"] += 1
            self.onsets["unlabelled"] += text == UNLABELLED
        return told

    def lag_us(self, source: Source) -> int:
        """How long after its time a spike of this stream may come."""
        if self.settings.lag_us:
            return self.settings.lag_us
        measured = round(1.25 * source.clock.delay_us) + 2 * US_PER_MS
        return min(MOST_LAG_US, max(LEAST_LAG_US, measured)) + self.settings.offset_us

    def silent(self, now_us: int) -> list[str]:
        """Names of the streams that had spikes and send none."""
        return [
            name
            for name, source in self.sources.items()
            if source.spikes and now_us - source.heard_us > self.settings.silent_us
        ]

    def watermark_us(self, now_us: int) -> int | None:
        """Every spike before this has been sent, LSL clock; None where that is not known.

        While a stream is silent time stands still: whether the brain is silent or
        the acquisition stopped, nobody knows.
        """
        sources = [source for source in self.sources.values() if source.spikes]
        if not sources or self.silent(now_us):
            return None
        if now_us - max(source.since_us for source in sources) < LEARN_US:
            return None  # how late a spike may come is not known yet
        reached_us = now_us - max(self.lag_us(source) for source in sources)
        if reached_us <= self._watermark_us:
            return None
        self._watermark_us = reached_us
        return reached_us

    def told(self, now_us: int) -> dict[str, object]:
        """What the health message says."""
        silent = set(self.silent(now_us))
        return {
            "messages": dict(self.seen),
            "onsets": dict(self.onsets),
            "late": self.late,
            "units": len(self.ids),
            "restarts": self.restarts,
            "streams": [
                {
                    "name": name,
                    "spikes": source.spikes,
                    "silent": name in silent,
                    "drift_ppm": round(source.clock.drift_ppm, 2),
                    "residual_ms": round(source.clock.residual_us / US_PER_MS, 3),
                    "lag_ms": round(self.lag_us(source) / US_PER_MS, 1),
                    "restarts": source.clock.restarts,
                }
                for name, source in self.sources.items()
            ],
        }


def _device_us(events: Sequence[Spike | Ttl]) -> NDArray[np.float64]:
    """When each was on the device's clock, (n,) float64 microseconds."""
    samples = np.array([event.sample_number for event in events], np.float64)
    rates = np.array([event.sample_rate for event in events], np.float64)
    times_us: NDArray[np.float64] = samples * US_PER_S / rates
    return times_us
