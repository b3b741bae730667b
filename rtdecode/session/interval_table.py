"""Interval tables of an NWB file: stimulus presentations, trials, invalid times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from rtdecode.session.columns import FloatArray
from rtdecode.session.hdf5 import Table, reading, subgroup
from rtdecode.session.model import BoolArray, Int64Array, Presentations
from rtdecode.session.spikes import to_us

INVALID = "invalid_times"
# Where writers put tables of intervals, besides Allen's /intervals.
PLACES = ("intervals", "stimulus", "processing", "acquisition", "analysis", "scratch")
DEPTH = 3
NOT_A_PARAMETER = frozenset({"id", "start_time", "stop_time", "tags", "timeseries"})


def interval_groups(file: h5py.File, path: Path) -> dict[str, h5py.Group]:
    """Find every interval table of a file by name, ``/intervals`` first.

    A table's name is its group's without ``_presentations``; where two have
    the same, the later one is named by its whole path.
    """
    found: dict[str, h5py.Group] = {}
    with reading(path, "the interval tables"):
        for place in PLACES:
            group = subgroup(file, place)
            for table in _tables(group, DEPTH) if group is not None else ():
                name = str(table.name).rpartition("/")[2].removesuffix("_presentations")
                if name in found:
                    name = str(table.name).strip("/").replace("/", "_")
                found[name] = table
    return found


def _tables(group: h5py.Group, depth: int) -> Iterator[h5py.Group]:
    for name in group:
        child = group.get(name)
        if not isinstance(child, h5py.Group):
            continue
        if isinstance(child.get("start_time"), h5py.Dataset):
            yield child
        elif depth > 1:
            yield from _tables(child, depth - 1)


def read_presentations(name: str, table: Table) -> tuple[Presentations, int]:
    """Read an interval table in order of onset.

    An interval without a stop ends where it starts; one without a start is
    left out.

    Returns
    -------
    presentations : Presentations
    left_out : int
        Rows without a start.
    """
    start_s, stop_s = _times(table, "start_time"), _times(table, "stop_time")
    if start_s is None:
        start_s = np.empty(0)
    if stop_s is None or len(stop_s) != len(start_s):
        stop_s = start_s
    columns = table.columns(len(start_s), NOT_A_PARAMETER)
    known = np.isfinite(start_s)
    stop_s = np.where(np.isfinite(stop_s), stop_s, start_s)
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(start_s[rows], kind="stable")]
    what = f"{table.name} of {table.path}"
    read = Presentations(
        name,
        to_us(start_s[rows], what),
        to_us(stop_s[rows], what),
        {column: values[rows] for column, values in columns.items()},
    )
    return read, int((~known).sum())


def _times(table: Table, name: str) -> FloatArray | None:
    values = table.values(name)
    if values is None or values.dtype.kind == "U":
        return None
    return values.astype(np.float64)


def read_invalid(table: Table) -> Int64Array:
    """Read the intervals that a file calls invalid, (intervals, 2) int64 microseconds."""
    intervals, _ = read_presentations(INVALID, table)
    return np.stack([intervals.start_us, intervals.stop_us], axis=1)


def touches(presentations: Presentations, invalid_us: Int64Array) -> BoolArray:
    """Tell which presentations touch an invalid interval, ends included, (n,) bool.

    Ends are included because AllenSDK includes them.
    """
    touched: BoolArray = np.zeros(len(presentations), np.bool_)
    for start, stop in invalid_us:
        touched |= (presentations.start_us <= stop) & (presentations.stop_us >= start)
    return touched
