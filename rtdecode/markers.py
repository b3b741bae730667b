"""What a stimulus marker says: text from any source into onset labels."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
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

PAIR = re.compile(r"([A-Za-z_][\w.-]*)\s*=\s*(?:\"([^\"]*)\"|([^\s,;\"=]+))")
PAIRS = re.compile(rf"(?:{PAIR.pattern}(?:\s*[,;]\s*|\s+|$))+")
LONGEST_PAIRS = 2000


@dataclass(frozen=True)
class MarkerMap:
    """What the rig's own markers mean.

    Attributes
    ----------
    key : str
        The field of a JSON or ``key=value`` marker that says what was shown; empty
        for the fields of the bundle's own stimulus table.
    labels : mapping of str to str
        From what the rig says to the bundle's label; to an empty text where it is no
        onset at all.
    """

    key: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def label_of(self, text: str) -> str | None:
        """What the rig's text stands for; itself where the map has no word of it."""
        found = self.labels.get(text, text)
        return found or None


AS_THEY_ARE = MarkerMap()


def read_marker(
    text: str, rule: LabelRule, classes: Collection[str], names: MarkerMap = AS_THEY_ARE
) -> Marker:
    """Understand a marker: a plain label, a JSON object, or pairs ``key=value``.

    An object or pairs tell what was shown by the map's key, by ``stimulus_name`` and
    the fields of that table, by ``label``, or by the fields of the bundle's table alone.

    Parameters
    ----------
    text : str
    rule : LabelRule
    classes : collection of str
        The bundle's labels.
    names : MarkerMap, optional
    """
    text = text.strip()
    if text in names.labels or text in classes:
        return _named(text, classes, None, names)
    if text.startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return Marker(Kind.MALFORMED)
        return _read_object(values, rule, classes, names)
    if pairs := read_pairs(text):
        return _read_object(pairs, rule, classes, names)
    return _named(text, classes, None, names) if text else Marker(Kind.MALFORMED)


def read_pairs(text: str) -> dict[str, object]:
    """Read ``key=value`` with commas, semicolons or blanks between; empty where it is not that."""
    if len(text) > LONGEST_PAIRS or not PAIRS.fullmatch(text):
        return {}
    return {key: quoted or plain for key, quoted, plain in PAIR.findall(text)}


def _read_object(
    values: Mapping[str, object], rule: LabelRule, classes: Collection[str], names: MarkerMap
) -> Marker:
    if values.get("rtdecode") == "end":
        return Marker(Kind.END)
    session_us = _session_time(values.get("session_us"))
    if names.key and (said := label_text(values.get(names.key))):
        return _named(said, classes, session_us, names)
    table = values.get("stimulus_name")
    if isinstance(table, str):
        found = rule.label_of(table, values)
        return Marker(Kind.OTHER) if found is None else _named(found, classes, session_us, names)
    if "label" in values or "stimulus_name" in values or not values:
        label = label_text(values.get("label"))
        return _named(label, classes, session_us, names) if label else Marker(Kind.MALFORMED)
    return _named(_label_without_table(values, rule), classes, session_us, names)


def _label_without_table(values: Mapping[str, object], rule: LabelRule) -> str:
    """The label that the fields give in the only table of the bundle's task that has them."""
    found = [one.label_of(values) for one in rule.tables.values() if one.columns]
    labels = [label for label in found if label is not None]
    return labels[0] if len(labels) == 1 else ""


def _session_time(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) < FOREVER_US else None


def _named(said: str, classes: Collection[str], session_us: int | None, names: MarkerMap) -> Marker:
    """What was said as a class, as it stands or as the number that it is."""
    label = names.label_of(said) if said else ""
    if label is None:
        return Marker(Kind.OTHER)
    for text in (label, _as_number(label)):
        if text in classes:
            return Marker(Kind.USED, text, session_us)
    return Marker(Kind.UNMAPPED, "", session_us)


def _as_number(text: str) -> str:
    """A number as labels are written (``90.0`` as ``90``); any other text as it is."""
    try:
        return label_text(float(text))
    except ValueError:
        return text
