"""How many messages come without a pause: what a publisher's queue may have had to hold.

ZeroMQ drops in silence what a publisher's queue has no room for, and no number in
a message tells. What can be told is whether more came in a row than it holds: a
sign that some may be lost, no count of them.
"""

from __future__ import annotations

MARK = 1000  # messages; ZeroMQ's high-water mark where nobody sets another
PAUSE_LOOKS = 5  # looks in vain, a millisecond each: less is a sender that was held up


class Bursts:
    """Counts messages between pauses.

    Attributes
    ----------
    largest : int
        Most messages in a row.
    over_mark : int
        Bursts of more than a queue of the usual length holds.
    """

    def __init__(self) -> None:
        self.largest = 0
        self.over_mark = 0
        self._running = self._in_vain = 0

    def add(self, messages: int) -> None:
        """So many have come since the last look."""
        self._in_vain = 0
        before, self._running = self._running, self._running + messages
        self.over_mark += before <= MARK < self._running
        self.largest = max(self.largest, self._running)

    def look_in_vain(self) -> None:
        """Nothing has come for a millisecond."""
        self._in_vain += 1
        if self._in_vain == PAUSE_LOOKS:
            self._running = 0

    def told(self) -> dict[str, int]:
        """For the bridge's health."""
        return {"largest": self.largest, "over_mark": self.over_mark, "mark": MARK}
