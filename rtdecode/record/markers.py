"""The markers of a run as presentations: a table for each stimulus."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rtdecode.markers import read_pairs
from rtdecode.microseconds import US_PER_S
from rtdecode.record.journal import Text
from rtdecode.session.model import Presentations
from rtdecode.session.spikes import MAX_S
from rtdecode.tasks import label_text

PLAIN = "markers"  # the table of markers that name no stimulus
RESERVED = ("id", "start_time", "stop_time", "tags", "timeseries", "stimulus_name")
NOT_IN_NAMES = re.compile(r"[^\w.-]+")
LONGEST_NAME = 100
MOST_COLUMNS = 200
LONGEST_VALUE = 500  # characters; every value of a column takes as much as the longest

Row = tuple[int, dict[str, object]]


def presentations_of(markers: Iterable[Text], zero_us: int) -> dict[str, Presentations]:
    """Presentations by table, in order of onset, in the record's time.

    A marker tells when a stimulus began. When it ended is known where it has a
    ``duration`` in seconds; else it ends where it begins.

    Parameters
    ----------
    markers : iterable of Text
    zero_us : int
        The record's zero, LSL clock.
    """
    tables: defaultdict[str, list[Row]] = defaultdict(list)
    for marker in markers:
        onset_us = marker.time_us - zero_us
        if not 0 <= onset_us <= MAX_S * US_PER_S:
            continue  # a stamp from nowhere; it stands among the markers as they were sent
        name, values = _understood(marker.text)
        if name:
            tables[name].append((onset_us, values))
    return {name: _table(name, rows) for name, rows in tables.items()}


def _understood(text: str) -> tuple[str, dict[str, object]]:
    """Table and values of a marker; no table where it tells no stimulus."""
    text = text.strip()
    values = read_pairs(text)
    if text.startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return "", {}
    if not values:
        return (PLAIN, {"label": text}) if text and not text.startswith("{") else ("", {})
    if "rtdecode" in values:
        return "", {}
    name = values.get("stimulus_name")
    table = _name(name.removesuffix("_presentations")) if isinstance(name, str) else PLAIN
    return table or PLAIN, {
        column: value for key, value in values.items() if (column := _name(key)) not in RESERVED
    }


def _name(text: str) -> str:
    """A name that HDF5 takes."""
    return NOT_IN_NAMES.sub("_", text)[:LONGEST_NAME].strip(".")


def _table(name: str, rows: list[Row]) -> Presentations:
    rows.sort(key=lambda row: row[0])
    start_us = np.array([onset_us for onset_us, _ in rows], np.int64)
    names = list(dict.fromkeys(key for _, values in rows for key in values if key))
    columns = {
        key: _column([values.get(key) for _, values in rows]) for key in names[:MOST_COLUMNS]
    }
    lasts_us = np.array([_duration_us(values) for _, values in rows], np.int64)
    return Presentations(name, start_us, start_us + lasts_us, columns)


def _duration_us(values: Mapping[str, object]) -> int:
    seconds = values.get("duration")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return 0
    return round(seconds * US_PER_S) if 0 <= seconds <= 86_400 else 0


def _column(values: list[object]) -> NDArray[np.float64] | NDArray[np.str_]:
    """Numbers where every value that is there is one; else text."""
    there = [value for value in values if value is not None]
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)
    if numbers and there:
        return np.array([np.nan if value is None else _number(value) for value in values])
    return np.array([_text(value) for value in values], np.str_)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return float("nan")


def _text(value: object) -> str:
    text = json.dumps(value) if isinstance(value, (dict, list)) else label_text(value)
    # JSON may spell what no UTF-8 has.
    return text[:LONGEST_VALUE].replace("\0", "").encode("utf-8", "replace").decode()
