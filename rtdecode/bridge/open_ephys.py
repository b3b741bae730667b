"""What Open Ephys GUI's Event Broadcaster sends, understood.

Each event is a message of two parts: two bytes of kind, and JSON. The only time
in it is a sample number of the acquisition's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from rtdecode.microseconds import US_PER_S

TTL, SPIKE = "ttl", "spike"
LARGEST_SAMPLE = 1 << 53  # beyond, a sample number is no whole double any more
NAME_LENGTH = 200


class Spike(NamedTuple):
    """A spike: where it was seen, and when on the device's clock, microseconds."""

    stream: str
    electrode: str
    sorted_id: int
    device_us: float


class Ttl(NamedTuple):
    """An edge of a TTL line; ``rising`` or falling."""

    stream: str
    line: int
    rising: bool
    device_us: float


def read_message(frames: Sequence[bytes]) -> Spike | Ttl | None:
    """A message as an event; None where it is not of the format."""
    if len(frames) != 2 or len(frames[0]) != 2:
        return None
    try:
        values = json.loads(frames[1])
        kind = values["event_type"]
        device_us = _device_us(values["sample_number"], values["sample_rate"])
        stream = _name(values["stream"])
        if kind == SPIKE:
            return Spike(stream, _name(values["electrode"]), _whole(values["sorted_id"]), device_us)
        if kind == TTL:
            return Ttl(stream, _whole(values["line"]), _truth(values["state"]), device_us)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None


def _device_us(sample: Any, rate: Any) -> float:
    if type(sample) is not int or not 0 <= sample < LARGEST_SAMPLE:
        raise ValueError(sample)
    if type(rate) not in (int, float) or not 0 < rate < 1e9:
        raise ValueError(rate)
    return float(sample * US_PER_S / rate)


def _name(value: Any) -> str:
    if type(value) is not str or len(value) > NAME_LENGTH:
        raise ValueError(value)
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(value)
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(value)
    return value
