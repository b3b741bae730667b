"""The spikes of a run unit after unit in order of time, sorted in a file: memory holds no long run.

They are counted by unit and hour, then put where their unit's hour lies in the
file, then sorted hour by hour. So memory holds a stretch of rows, and 8 bytes
for each spike of the busiest hour of a unit, however long the run was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from rtdecode.microseconds import US_PER_S
from rtdecode.record.rows import RowStream
from rtdecode.record.share import Share
from rtdecode.session.model import Int64Array, Units

HOUR_US = 3600 * US_PER_S
HOUR_BITS = 32  # of a key: the unit's id lies above
STRETCH = 1 << 19
BYTES = 8
COUNTED, PUT, SORTED = 3, 6, 3  # of the journal's bytes, a row: about as the time goes


@dataclass(frozen=True, eq=False)
class SpikesByUnit:
    """The spikes of a run in a file.

    Attributes
    ----------
    units : Units
    offsets : (units + 1,) int64
        Where each unit's spikes begin; as in a session.
    """

    units: Units
    offsets: Int64Array
    _file: BinaryIO

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def stretches(self) -> Iterator[Int64Array]:
        """Times of all spikes, int64 microseconds, a stretch at a time."""
        for first in range(0, len(self), STRETCH):
            yield _read(self._file, first, min(STRETCH, len(self) - first))


def sort_by_unit(streams: Sequence[RowStream], file: BinaryIO, share: Share) -> SpikesByUnit:
    """Sort the spikes of several streams by unit and time, each once.

    Parameters
    ----------
    streams : sequence of RowStream
    file : binary file
        Empty, read and written; holds 8 bytes a spike.
    share : Share
        Of the journal's bytes.

    Raises
    ------
    OSError
        If the disk does not take them.
    """
    counted = _count(streams, share)
    keys = np.array(list(counted), np.int64)
    units = _units(streams, np.unique(keys >> HOUR_BITS))
    keys, rows = _in_order(units, keys)
    ends = np.cumsum([counted[key] for key in keys.tolist()], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends])
    _put(streams, file, dict(zip(keys.tolist(), starts.tolist(), strict=False)), share)
    kept = _sort(file, starts, share)
    numbers = np.bincount(rows, weights=kept, minlength=len(units))
    return SpikesByUnit(units, np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64), file)


def _count(streams: Sequence[RowStream], share: Share) -> Counter[int]:
    """How many spikes each unit has in each hour, by key."""
    counted: Counter[int] = Counter()
    for stream in streams:
        for ids, times_us in stream.spikes():
            keys, numbers = np.unique(_keys(ids, times_us), return_counts=True)
            counted.update(dict(zip(keys.tolist(), numbers.tolist(), strict=True)))
            share.add(COUNTED * len(ids))
    return counted


def _keys(ids: Int64Array, times_us: Int64Array) -> Int64Array:
    return (ids << HOUR_BITS) | (times_us // HOUR_US)


def _units(streams: Sequence[RowStream], seen: Int64Array) -> Units:
    """The units that the streams tell of, then those that merely fired."""
    tables = [table for stream in streams if (table := stream.units) is not None]
    told = np.concatenate([np.empty(0, np.int64), *(table.ids for table in tables)])
    strangers = np.setdiff1d(seen, told)
    tables.append(
        Units(
            strangers,
            np.full(len(strangers), "", np.str_),
            np.full(len(strangers), np.nan),
            np.full(len(strangers), "", np.str_),
        )
    )
    all_of_them = Units.joined(tables)
    _, first = np.unique(all_of_them.ids, return_index=True)
    return all_of_them.take(np.sort(first))


def _in_order(units: Units, keys: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Keys in the order of the file, unit after unit, hour after hour; and their units' rows."""
    by_id = np.argsort(units.ids)
    rows = by_id[np.searchsorted(units.ids, keys >> HOUR_BITS, sorter=by_id)]
    order = np.lexsort((keys, rows))
    return keys[order], rows[order]


def _put(
    streams: Sequence[RowStream], file: BinaryIO, places: dict[int, int], share: Share
) -> None:
    """Write each spike's time where its key's lie, in whatever order they came."""
    for stream in streams:
        for ids, times_us in stream.spikes():
            keys = _keys(ids, times_us)
            order = np.argsort(keys)
            sorted_keys, sorted_us = keys[order], times_us[order]
            cuts = np.flatnonzero(np.diff(sorted_keys, prepend=-1, append=-1)).tolist()
            for start, stop in pairwise(cuts):
                key = int(sorted_keys[start])
                _write(file, places[key], sorted_us[start:stop])
                places[key] += stop - start
            share.add(PUT * len(ids))


def _sort(file: BinaryIO, starts: Int64Array, share: Share) -> Int64Array:
    """Sort what lies between each two starts, close ranks; how many of each are left."""
    kept, written = np.zeros(len(starts) - 1, np.int64), 0
    for number, (start, stop) in enumerate(pairwise(starts.tolist())):
        times_us = np.unique(_read(file, start, stop - start))
        _write(file, written, times_us)
        kept[number] = len(times_us)
        written += len(times_us)
        share.add(SORTED * (stop - start))
    return kept


def _read(file: BinaryIO, first: int, n: int) -> Int64Array:
    file.seek(first * BYTES)
    return np.frombuffer(file.read(n * BYTES), np.int64)


def _write(file: BinaryIO, first: int, times_us: Int64Array) -> None:
    file.seek(first * BYTES)
    file.write(times_us.data)
