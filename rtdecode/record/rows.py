"""The rows of a spike or count stream in the record's time, a stretch of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdecode.microseconds import INVALID_US, US_PER_S
from rtdecode.record.journal import JournalReader, StreamSaid
from rtdecode.record.roles import COUNTS
from rtdecode.session.model import BoolArray, Int64Array, Units
from rtdecode.session.spikes import MAX_S

MOST_AHEAD_US = 1 * US_PER_S
LATEST_US = round(MAX_S * US_PER_S)
# Of the record's table of rows; times in microseconds of the record.
COLUMNS = {"time_us": np.int64, "arrival_us": np.int64, "unit_id": np.int32, "sequence": np.int32}

Columns = dict[str, NDArray[Any]]


class RowStream:
    """One spike or count stream of a journal.

    Parameters
    ----------
    journal : JournalReader
    said : StreamSaid
        What it says of itself.
    """

    def __init__(self, journal: JournalReader, said: StreamSaid) -> None:
        self.said = said
        self._journal = journal
        self._zero_us = journal.about.zero_us
        self._n = journal.n_rows(said.key)

    def __len__(self) -> int:
        return self._n

    @property
    def units(self) -> Units | None:
        """The stream's own unit table; None where it has none."""
        table = self.said.units
        if not table.ids:
            return None
        depths = [np.nan if depth is None else depth for depth in table.depths_um]
        return Units(
            np.array(table.ids, np.int64),
            np.array(table.areas, np.str_),
            np.array(depths, np.float64),
            np.array(table.probes, np.str_),
        )

    def stretches(self) -> Iterator[Columns]:
        """Every row in order of arrival: ``COLUMNS``, (n,) each."""
        for rows in self._journal.rows(self.said.key):
            known = rows["time_us"] != INVALID_US
            yield {
                "time_us": np.where(known, rows["time_us"] - self._zero_us, INVALID_US),
                "arrival_us": rows["arrival_us"] - self._zero_us,
                "unit_id": rows["unit_id"],
                "sequence": rows["sequence"],
            }

    def spikes(self) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Unit id and time of what was a spike of the run, in order of arrival."""
        places = _Places() if self.said.role == COUNTS else None
        for rows in self.stretches():
            sound = self._sound(rows)
            ids, times_us = rows["unit_id"][sound].astype(np.int64), rows["time_us"][sound]
            yield ids, times_us if places is None else times_us + places.of(ids, times_us)

    def _sound(self, rows: Columns) -> BoolArray:
        """Which rows are spikes, (n,): of a unit, and stamped within the run."""
        times_us = rows["time_us"]
        sound: BoolArray = (rows["unit_id"] >= 0) & (times_us >= 0) & (times_us <= LATEST_US)
        # At another speed the stamps run ahead of the clock, rightly.
        if self.said.speed == 1.0:
            sound &= times_us <= rows["arrival_us"] + MOST_AHEAD_US
        return sound


class _Places:
    """Which of a count's spikes each row is, from 0: it moves by so many microseconds."""

    def __init__(self) -> None:
        self._last, self._place = (-1, 0), -1

    def of(self, ids: Int64Array, times_us: Int64Array) -> Int64Array:
        """Of the next rows, (n,) int64; a count may have begun in the rows before."""
        if not len(ids):
            return np.empty(0, np.int64)
        row = np.arange(len(ids), dtype=np.int64)
        first = np.empty(len(ids), np.bool_)
        first[0] = (ids[0], times_us[0]) != self._last
        first[1:] = (np.diff(ids) != 0) | (np.diff(times_us) != 0)
        begun: Int64Array = np.maximum.accumulate(np.where(first, row, -1 - self._place))
        places = row - begun
        self._last, self._place = (int(ids[-1]), int(times_us[-1])), int(places[-1])
        return places
