"""A lab's own events: a CSV table of stimulus onsets and labels."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.columns import as_column
from rtdecode.session.model import Presentations
from rtdecode.session.spikes import to_us

TABLE = "events"
ONSET, LABEL, DURATION = "onset", "label", "duration"
DELIMITERS = (",", ";", "\t")


def read_events(path: str | Path) -> Presentations:
    """Read a table of events: ``onset``, ``label``, optional ``duration``, in seconds.

    The first row names the columns; further columns are kept by their names.
    Columns are parted by commas, semicolons or tabs.

    Returns
    -------
    Presentations
        Named ``events``, in order of onset. An event without a duration ends
        where it starts.

    Raises
    ------
    UserError
        If there is no such file, a column is missing, or a value is no time.
    """
    path = Path(path)
    header, rows = _read_rows(path)
    onsets = np.array([_seconds(path, line, row[header.index(ONSET)]) for line, row in rows])
    durations = np.zeros(len(rows))
    if DURATION in header:
        place = header.index(DURATION)
        durations = np.array([_duration(path, line, row[place]) for line, row in rows])
    order = np.argsort(onsets, kind="stable")
    columns = {
        name: as_column(np.array([row[place] for _, row in rows], np.str_))[order]
        for place, name in enumerate(header)
        if name not in (ONSET, DURATION)
    }
    starts, stops = onsets[order], (onsets + durations)[order]
    return Presentations(TABLE, to_us(starts, str(path)), to_us(stops, str(path)), columns)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names, and each row with the number of its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(DELIMITERS, key=first.count)
            header = [
                name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])
            ]
            reader = csv.reader(file, delimiter=delimiter)
            rows = [(reader.line_num + 1, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read events from {path}: {error}") from error
    missing = [name for name in (ONSET, LABEL) if name not in header]
    if missing:
        raise UserError(
            f"expected the columns onset and label in {path}; found {', '.join(header) or 'none'}"
        )
    if len(set(header)) < len(header) or "" in header:
        raise UserError(f"expected distinct column names in {path}; found {', '.join(header)}")
    if not rows:
        raise UserError(f"expected events in {path}; it has no rows")
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"expected {len(header)} values in line {line} of {path}; found {len(row)}"
            )
    return header, rows


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"expected seconds in line {line} of {path}; found {text!r}")
    return value


def _duration(path: Path, line: int, text: str) -> float:
    value = _seconds(path, line, text) if text.strip() else 0.0
    if value < 0:
        raise UserError(
            f"expected a duration of 0 s or more in line {line} of {path}; found {text}"
        )
    return value
