"""Which streams still speak. Arrival is what counts: a stamp can lie, silence cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Silence after which a stream has stopped, seconds. A source sends spikes or a
#: watermark every 10 ms; health comes at a steady pace, which is measured.
SPIKES_SILENT_S, HEALTH_PACE_S, HEALTH_GRACE_S = 0.35, 0.5, 0.25


@dataclass
class Freshness:
    """Arrival times of each stream, seconds of any one steady clock.

    Attributes
    ----------
    heard_s : dict of str to float
        The last arrival.
    pace_s : dict of str to float
        The usual interval between arrivals.
    """

    heard_s: dict[str, float] = field(default_factory=dict)
    pace_s: dict[str, float] = field(default_factory=dict)

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

    def age_s(self, stream: str, now_s: float) -> float | None:
        """Seconds since the stream sent anything; None if it never did."""
        heard = self.heard_s.get(stream)
        return None if heard is None else now_s - heard

    def silent(self, now_s: float) -> dict[str, float]:
        """Streams that spoke and have stopped, with how long ago, seconds."""
        allowed = {
            "spikes": SPIKES_SILENT_S,
            "health": self.pace_s.get("health", HEALTH_PACE_S) + HEALTH_GRACE_S,
        }
        ages = {stream: self.age_s(stream, now_s) for stream in allowed}
        return {s: age for s, age in ages.items() if age is not None and age > allowed[s]}
