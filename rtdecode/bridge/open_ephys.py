"""What Open Ephys GUI's Event Broadcaster sends, understood.

Each event is a message of two parts: two bytes of kind, and JSON. The only time
in it is a sample number of the acquisition's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from rtdecode.microseconds import US_PER_S

# Beyond 2^53 a sample number is no whole double any more.
Sample = Annotated[int, Meta(ge=0, le=1 << 53)]
Rate = Annotated[float, Meta(gt=0, lt=1e9)]
Name = Annotated[str, Meta(max_length=200)]
Whole = Annotated[int, Meta(ge=0, lt=1 << 31)]


class Spike(Struct, tag_field="event_type", tag="spike", gc=False):
    """A spike: where it was seen, and when on the device's clock."""

    stream: Name
    electrode: Name
    sorted_id: Whole
    sample_number: Sample
    sample_rate: Rate


class Ttl(Struct, tag_field="event_type", tag="ttl", gc=False):
    """An edge of a TTL line; ``state`` is whether it rises."""

    stream: Name
    line: Whole
    state: bool
    sample_number: Sample
    sample_rate: Rate


_decode: Callable[[bytes], Spike | Ttl] = Decoder(Spike | Ttl).decode


def read_message(frames: Sequence[bytes]) -> Spike | Ttl | None:
    """A message as an event; None where it is not of the format."""
    if len(frames) != 2 or len(frames[0]) != 2:
        return None
    try:
        return _decode(frames[1])
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def device_us(event: Spike | Ttl) -> float:
    """When it was on the device's clock, microseconds."""
    return event.sample_number * US_PER_S / event.sample_rate
