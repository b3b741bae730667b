"""How many messages come without a pause: what a publisher's queue has had to hold.

ZeroMQ drops in silence what a publisher's queue has no room for, and no number in
a message tells. What can be told is whether so many came in a row as it holds: a
queue that is empty at a pause, and is then given fewer, has room for all.
"""

from __future__ import annotations

MARK = 1000  # messages; ZeroMQ's high-water mark where nobody sets another


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
        self._running = 0

    def add(self, messages: int) -> None:
        """So many have come since the last look, without a pause."""
        before, self._running = self._running, self._running + messages
        self.over_mark += before <= MARK < self._running
        self.largest = max(self.largest, self._running)

    def pause(self) -> None:
        """Nothing has come for a while."""
        self._running = 0

    def told(self) -> dict[str, int]:
        """For the bridge's health."""
        return {"largest": self.largest, "over_mark": self.over_mark, "mark": MARK}
