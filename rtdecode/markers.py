"""What a stimulus marker says: text from any source into onset labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from rtdecode.microseconds import FOREVER_US
from rtdecode.tasks import LabelRule, label_text


class Kind(Enum):
    """What a marker is to the decoder.

    ``USED`` opens a window; ``UNMAPPED`` too, but its label is none of the
    classes, so the decision is not scored; ``OTHER`` belongs to another task;
    ``TOO_OLD`` is of a time whose spikes were never heard or are forgotten;
    ``END`` is a replay's last word.
    """

    USED = "used"
    UNMAPPED = "unmapped"
    OTHER = "other"
    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    END = "end"


@dataclass(frozen=True)
class Marker:
    """A marker as understood: its kind, label and, from a replay, session time."""

    kind: Kind
    label: str = ""
    session_us: int | None = None


def encode_presentation(
    stimulus_name: str, values: Mapping[str, object], session_us: int
) -> dict[str, object]:
    """A presentation as the JSON object of its marker; values it lacks are left out."""
    told = {key: value for key, value in values.items() if label_text(value)}
    return {"stimulus_name": stimulus_name, **told, "session_us": session_us}


END_MARKER = {"rtdecode": "end"}


def read_marker(text: str, rule: LabelRule, classes: Collection[str]) -> Marker:
    """Understand a marker: a plain label, or a JSON object with ``stimulus_name``."""
    text = text.strip()
    if not text.startswith("{"):
        return _labelled(text, classes, None) if text else Marker(Kind.MALFORMED)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Marker(Kind.MALFORMED)
    return _read_object(values, rule, classes)


def _read_object(values: Mapping[str, object], rule: LabelRule, classes: Collection[str]) -> Marker:
    if values.get("rtdecode") == "end":
        return Marker(Kind.END)
    session_us = _session_time(values.get("session_us"))
    name = values.get("stimulus_name")
    if not isinstance(name, str):
        label = label_text(values.get("label"))
        return _labelled(label, classes, session_us) if label else Marker(Kind.MALFORMED)
    found = rule.label_of(name, values)
    if found is None:
        return Marker(Kind.OTHER)
    return _labelled(found, classes, session_us)


def _session_time(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) < FOREVER_US else None


def _labelled(label: str, classes: Collection[str], session_us: int | None) -> Marker:
    if label in classes:
        return Marker(Kind.USED, label, session_us)
    return Marker(Kind.UNMAPPED, "", session_us)
