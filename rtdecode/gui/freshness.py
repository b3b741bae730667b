"""Which streams still speak. Arrival is what counts: a stamp can lie, silence cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Silence after which a stream has stopped, seconds. A source sends spikes or a
#: watermark every 10 ms; health comes at the pace that it tells, or else at the one measured.
SPIKES_SILENT_S, HEALTH_PACE_S, HEALTH_GRACE_S = 0.35, 0.5, 0.22
#: A pace outside these is none: who tells it would never be silent, or always.
FASTEST_S, SLOWEST_S = 0.01, 10.0


@dataclass
class Freshness:
    """Arrival times of each stream, seconds of any one steady clock.

    Attributes
    ----------
    heard_s : dict of str to float
        The last arrival.
    pace_s : dict of str to float
        The usual interval between arrivals.
    told_s : dict of str to float
        The interval that the stream itself tells.
    """

    heard_s: dict[str, float] = field(default_factory=dict)
    pace_s: dict[str, float] = field(default_factory=dict)
    told_s: dict[str, float] = field(default_factory=dict)

    def hear(self, streams: Iterable[str], now_s: float) -> None:
        """Note that these streams sent something."""
        for stream in streams:
            if stream in self.heard_s:
                gap = now_s - self.heard_s[stream]
                # A slow mean from what the wire promises on: at first several may come at
                # once, and a long silence is not the stream's pace.
                usual = self.pace_s.get(stream, HEALTH_PACE_S)
                self.pace_s[stream] = usual + 0.2 * (min(gap, 2 * usual) - usual)
            self.heard_s[stream] = now_s

    def tell(self, stream: str, every_s: float) -> None:
        """Note the interval at which a stream says that it sends; NaN where it does not say."""
        if FASTEST_S <= every_s <= SLOWEST_S:
            self.told_s[stream] = every_s

    def usual_s(self, stream: str) -> float:
        """The interval between two arrivals: as told, else as measured."""
        return self.told_s.get(stream, self.pace_s.get(stream, HEALTH_PACE_S))

    def age_s(self, stream: str, now_s: float) -> float | None:
        """Seconds since the stream sent anything; None if it never did."""
        heard = self.heard_s.get(stream)
        return None if heard is None else now_s - heard

    def silent(self, now_s: float) -> dict[str, float]:
        """Streams that spoke and have stopped, with how long ago, seconds."""
        allowed = {
            "spikes": SPIKES_SILENT_S,
            "health": self.usual_s("health") + HEALTH_GRACE_S,
        }
        ages = {stream: self.age_s(stream, now_s) for stream in allowed}
        return {s: age for s, age in ages.items() if age is not None and age > allowed[s]}
