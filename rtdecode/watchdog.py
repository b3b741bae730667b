"""Sees that the decoder's loop comes round; a thread of its own, so that it can say it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rtdecode.microseconds import US_PER_S

LOOK_S = 0.1


class Watchdog:
    """Calls out while the loop is stuck: a model that hangs, a disk that does not answer.

    Whether data arrive is watched in the loop itself, by ``Health``.

    Parameters
    ----------
    patience_us : int
        How long one round may take.
    clock_us : callable
        Microseconds.
    on_stuck : callable
        Called in the watchdog's thread at every look, with the time of the last
        round, while the loop is stuck. Must not wait for the loop.
    """

    def __init__(
        self, patience_us: int, clock_us: Callable[[], int], on_stuck: Callable[[int], None]
    ) -> None:
        self._patience_us = patience_us
        self._clock_us = clock_us
        self._on_stuck = on_stuck
        self._round_us = clock_us()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self.come_round()
        self._thread.start()

    def come_round(self) -> None:
        """The loop has come round."""
        self._round_us = self._clock_us()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        looked_us = self._clock_us()
        while not self._ended.wait(LOOK_S):
            now_us, round_us = self._clock_us(), self._round_us
            # A process that was stopped, or a machine that slept, is no loop that is stuck.
            slept = now_us - looked_us > LOOK_S * US_PER_S + self._patience_us // 2
            looked_us = now_us
            if now_us - round_us > self._patience_us and not slept:
                self._on_stuck(round_us)
