"""Clocks of other hosts: how far each is from ours, and whether it stays there.

liblsl measures a stream's clock again and again and shifts its stamps to ours. A
clock that steps, by a correction of its host or by a new source, shifts them by as
much: what lay in one bin lies in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rtdecode.microseconds import US_PER_MS
from rtdecode.streams import Found

STEP_US = 2 * US_PER_MS  # drift between two measurements is far less, 0.25 ms at 50 ppm


class Remote(Protocol):
    """A stream whose clock can be asked for."""

    @property
    def stream(self) -> Found:
        """What is received."""

    @property
    def is_remote(self) -> bool:
        """Whether it comes from another host."""

    def offset_us(self) -> int | None:
        """From its host's clock to ours, microseconds; None while not measured."""


@dataclass
class HostClock:
    """One stream's clock as it was seen last."""

    inlet: Remote
    offset_us: int | None = None
    steps: int = 0
    last_step_us: int = 0


class HostClocks:
    """Watches the offsets of the streams that come from other hosts.

    Parameters
    ----------
    inlets : sequence of Remote
    """

    def __init__(self, inlets: Sequence[Remote]) -> None:
        self._clocks = [HostClock(inlet) for inlet in inlets if inlet.is_remote]

    def look(self) -> str:
        """Ask for every offset; what is to be said of those that stepped, else empty."""
        return "; ".join(filter(None, map(_look, self._clocks)))

    def told(self) -> list[dict[str, object]]:
        """What the health message says of each."""
        return [
            {
                "stream": clock.inlet.stream.name,
                "host": clock.inlet.stream.host,
                "offset_ms": None if clock.offset_us is None else clock.offset_us / US_PER_MS,
                "steps": clock.steps,
                "last_step_ms": clock.last_step_us / US_PER_MS,
            }
            for clock in self._clocks
        ]


def _look(clock: HostClock) -> str:
    offset_us, stream = clock.inlet.offset_us(), clock.inlet.stream
    if offset_us is None:
        return ""
    before_us, clock.offset_us = clock.offset_us, offset_us
    if before_us is None:
        return f"clock of {stream.host} ({stream.name}): {offset_us / US_PER_MS:+.3f} ms from ours"
    step_us = offset_us - before_us
    if abs(step_us) < STEP_US:
        return ""
    clock.steps += 1
    clock.last_step_us = step_us
    return f"clock of {stream.host} ({stream.name}) stepped by {step_us / US_PER_MS:+.3f} ms"
