"""How fast a replay runs, by what its stream says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping


def told_speed(replay: Mapping[str, str]) -> float | None:
    """Session seconds a second; 1 where nothing is said, None where it is no number above 0."""
    try:
        speed = float(replay.get("speed", "1"))
    except ValueError:
        return None
    return speed if 0 < speed < math.inf else None


def speed_of(replay: Mapping[str, str]) -> float:
    """The same; 1, the wall clock's, where it cannot be."""
    return told_speed(replay) or 1.0
