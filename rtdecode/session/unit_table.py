"""The unit table of an NWB file: ids, areas, depths, probes, metrics.

Allen's files name each unit's peak channel, a row of the electrode table that
holds its area; other files refer to electrodes by row number, or hold the area
with the unit.
"""

from __future__ import annotations

import h5py
import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.columns import Column, FloatArray, StrArray, as_flags, as_names
from rtdecode.session.hdf5 import Table, reading
from rtdecode.session.model import Int64Array, Units
from rtdecode.session.quality import GOOD, PEAK_CHANNEL, VALID

ELECTRODES = "general/extracellular_ephys/electrodes"
# What sorters call a unit. Where a file has other words, none of them means good.
QUALITY_WORDS = ("good", "noise", "mua", "unsorted", "")
NO_AREA = ("unknown", "None", "none", "no label")
LARGEST_ID = 2**31 - 1  # ids travel as int32
AREA_COLUMNS = ("location", "area", "brain_area")
DEPTH_COLUMNS = ("probe_vertical_position", "rel_y", "depth")
PROBE_COLUMNS = ("group_name", "probe", "probe_name", "probe_id")
PER_SPIKE = frozenset({"id", "spike_times", "spike_amplitudes", "electrodes", "obs_intervals"})


def read_units(table: Table, electrodes: Table | None) -> Units:
    """Read every unit of a file, in the order of the file.

    Raises
    ------
    UserError
        If the table is empty or damaged, or its ids are not distinct ids.
    """
    ids = read_ids(table)
    if not len(ids):
        raise UserError(f"expected sorted units in {table.path}; its unit table is empty")
    columns = table.columns(len(ids), PER_SPIKE)
    rows = _electrode_rows(table, electrodes, columns, len(ids))
    places = {} if electrodes is None or rows is None else _rows_of(electrodes, rows)
    areas = _areas(_first(AREA_COLUMNS, places, columns), len(ids))
    if PEAK_CHANNEL in columns:
        # As AllenSDK does: LGd-sh is LGd, for the annotation is no finer.
        areas = np.array([area.partition("-")[0] for area in areas], np.str_)
    if VALID in places:
        columns[VALID] = as_flags(places[VALID])
    depths = _first(DEPTH_COLUMNS, places, columns)
    probes = _first(PROBE_COLUMNS, places, columns)
    return Units(
        ids,
        areas,
        _numbers(depths, len(ids)),
        np.full(len(ids), "") if probes is None else as_names(probes),
        as_metrics(columns),
    )


def read_ids(table: Table) -> Int64Array:
    """Read the ids of a unit table, (units,) int64; row numbers where it has none.

    Raises
    ------
    UserError
        If they are not distinct numbers that a stream can carry.
    """
    values = table.values("id")
    if values is None:
        ends = table.dataset("spike_times_index")
        with reading(table.path, f"{table.name}/spike_times_index"):  # it may claim any length
            return np.arange(0 if ends is None or ends.ndim != 1 else len(ends), dtype=np.int64)
    if values.dtype.kind not in "iu":
        raise UserError(f"expected whole numbers in {table.name}/id of {table.path}; found text")
    if len(values) and (values.min() < 0 or values.max() > LARGEST_ID):
        raise UserError(
            f"expected unit ids from 0 to {LARGEST_ID} in {table.path}; found "
            f"{values.min()} to {values.max()}: number the units anew"
        )
    ids = values.astype(np.int64)
    if len(np.unique(ids)) < len(ids):
        raise UserError(f"expected distinct unit ids in {table.path}; some repeat: renumber them")
    return ids


def _electrode_rows(
    table: Table, electrodes: Table | None, columns: dict[str, Column], units: int
) -> Int64Array | None:
    """Row of each unit's electrode, (units,) int64, -1 where it has none."""
    if electrodes is None:
        return None
    peaks = columns.get(PEAK_CHANNEL)
    channels = electrodes.values("id")
    if peaks is not None and peaks.dtype.kind == "f" and channels is not None and len(channels):
        order = np.argsort(channels)
        place = np.searchsorted(channels, peaks, sorter=order)
        rows = order[np.minimum(place, len(channels) - 1)]
        return np.asarray(np.where(channels[rows] == peaks, rows, -1), np.int64)
    return _first_electrode(table, units)


def _first_electrode(table: Table, units: int) -> Int64Array | None:
    """Row of the first electrode that each unit refers to, -1 where to none."""
    dataset, index = table.dataset("electrodes"), table.dataset("electrodes_index")
    if dataset is None or dataset.ndim != 1 or dataset.dtype.kind not in "iu":
        return None
    with reading(table.path, f"{table.name}/electrodes"):
        rows = np.asarray(dataset[:], np.int64)
        ends = np.arange(1, len(rows) + 1) if index is None else np.asarray(index[:], np.int64)
    if ends.shape != (units,) or (ends > len(rows)).any() or (np.diff(ends, prepend=0) < 0).any():
        raise UserError(
            f"expected one run of electrodes a unit in {table.path}; the index does not fit: "
            "the file is damaged, get it again"
        )
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    first = np.full(units, -1, np.int64)
    first[starts < ends] = rows[starts[starts < ends]]
    return first


def _rows_of(electrodes: Table, rows: Int64Array) -> dict[str, Column]:
    """Columns of the electrodes in these rows; no value where the row is not there."""
    read: dict[str, Column] = {}
    for name in (*AREA_COLUMNS, *DEPTH_COLUMNS, *PROBE_COLUMNS, VALID):
        values = electrodes.dataset(name)
        column = None if values is None else electrodes.column(name, values.shape[0])
        if column is None or not len(column):
            continue
        known = (rows >= 0) & (rows < len(column))
        found = column[np.where(known, rows, 0)]
        absent = np.nan if column.dtype.kind == "f" else ""
        read[name] = np.where(known, found, absent)
    return read


def _first(
    names: tuple[str, ...], places: dict[str, Column], columns: dict[str, Column]
) -> Column | None:
    """Take the first of these columns that says anything, electrodes before units."""
    for found in (places, columns):
        for name in names:
            if name in found and (as_names(found[name]) != "").any():
                return found.pop(name)
    return None


def _areas(column: Column | None, units: int) -> StrArray:
    if column is None:
        return np.full(units, "", np.str_)
    words = as_names(column)
    return np.where(np.isin(words, NO_AREA), "", words).astype(np.str_)


def _numbers(column: Column | None, units: int) -> FloatArray:
    if column is None or column.dtype.kind != "f":
        return np.full(units, np.nan)
    return column.astype(np.float64)


def as_metrics(columns: dict[str, Column]) -> dict[str, FloatArray]:
    """Return the columns that are numbers, and whether each unit is called good."""
    metrics = {
        name: column.astype(np.float64)
        for name, column in columns.items()
        if column.dtype.kind == "f"
    }
    quality = columns.get("quality")
    if quality is not None and quality.dtype.kind == "U" and np.isin(quality, QUALITY_WORDS).all():
        metrics[GOOD] = np.where(quality == "", np.nan, quality == "good").astype(np.float64)
    return metrics


def electrode_table(file: h5py.File, table: Table) -> Table | None:
    """Return the electrode table of a file, None where it has none."""
    group = file.get(ELECTRODES)
    return Table(table.path, group) if isinstance(group, h5py.Group) else None
