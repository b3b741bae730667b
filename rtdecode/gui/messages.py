"""JSON messages from the wire: the values in them, or that they are none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

SPIKE_KINDS = ("on_time", "late", "duplicate", "unknown", "malformed", "lost")

#: What reading a message with a field absent or of the wrong kind runs into.
UNFIT = (KeyError, TypeError, AttributeError, OverflowError, ValueError)


class MalformedError(ValueError):
    """A message from the wire that is not what its stream should carry."""


def json_object(text: str) -> dict[str, Any]:
    """A message that has to be a JSON object.

    Raises
    ------
    MalformedError
        If it is none.
    """
    match parsed(text):
        case dict() as said:
            return said
    raise MalformedError(f"a JSON object was expected; found {text[:80]!r}")


def parsed(text: str) -> object:
    """JSON as values; None where it is none (or nested beyond reason)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def time_of(value: Any) -> int:
    """Microseconds that fit into int64."""
    return int(np.array([int(value)], np.int64)[0])


def number_of(value: object) -> float:
    """A float; NaN for what is absent (JSON has no NaN)."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def numbers_of(said: Mapping[str, object]) -> dict[str, float]:
    """Every value as a float; NaN for what is none."""
    return {name: number_of(value) for name, value in said.items()}


def numbers_in(said: Mapping[str, object], known: tuple[str, ...]) -> dict[str, float]:
    """The numbers of a report by name, but for those that are known."""
    kinds = {name: value for name, value in said.items() if name not in known}
    return {
        name: float(value)
        for name, value in kinds.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def counts_of(said: Mapping[str, Any]) -> dict[str, int]:
    """Counts of spikes by kind; nought for a kind that is absent."""
    return {kind: int(said.get(kind) or 0) for kind in SPIKE_KINDS}
