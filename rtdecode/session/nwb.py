"""Read a session from an NWB file: Allen's layout, and any with units and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.hdf5 import (
    Table,
    open_nwb,
    read_text,
    read_values,
    reading,
    subgroup,
)
from rtdecode.session.interval_table import (
    INVALID,
    interval_groups,
    read_invalid,
    read_presentations,
    touches,
)
from rtdecode.session.model import Int64Array, Presentations, Running, Session
from rtdecode.session.quality import QualityFilter, keep_units
from rtdecode.session.spikes import read_spikes, to_us, unit_spans
from rtdecode.session.unit_table import electrode_table, read_units

RUNNING = "processing/running/running_speed"
CM_PER_UNIT = {"cm/s": 1.0, "m/s": 100.0}


def read_nwb(path: Path, quality: QualityFilter, areas: Sequence[str] = ()) -> Session:
    """Read a session from an NWB file.

    Parameters
    ----------
    path : Path
    quality : QualityFilter
    areas : sequence of str
        Keep units of these areas alone; all if empty.

    Raises
    ------
    UserError
        If the file is no NWB, is damaged, or has no units (left).
    """
    with open_nwb(path) as file:
        table = _unit_table(file, path)
        units = read_units(table, electrode_table(file, table))
        kept = keep_units(units, quality, areas)
        spikes = _spike_dataset(table)
        starts, stops = unit_spans(_ends(table, len(units)), len(spikes), f"the units of {path}")
        times_us, offsets = read_spikes(path, spikes, starts, stops, kept)
        presentations, invalid_us, left_out = _stimuli(file, path)
        return Session(
            name=read_text(file, "general/session_id") or path.stem,
            units=units.take(np.flatnonzero(kept)),
            spike_times_us=times_us,
            spike_offsets=offsets,
            presentations=presentations,
            invalid_us=invalid_us,
            invalid_presentations=left_out,
            running=_running(file, path),
            simulated="simulated" in read_text(file, "session_description").lower(),
        )


def _unit_table(file: h5py.File, path: Path) -> Table:
    with reading(path, "the units"):
        group = subgroup(file, "units")
    if group is None:
        raise UserError(f"expected sorted units in {path}; it has no unit table: sort its spikes")
    return Table(path, group)


def _spike_dataset(table: Table) -> h5py.Dataset:
    dataset = table.dataset("spike_times")
    if dataset is None or dataset.ndim != 1 or dataset.dtype.kind not in "fiu":
        raise UserError(f"expected spike times with the units of {table.path}; found none")
    return dataset


def _ends(table: Table, units: int) -> Int64Array:
    ends = table.dataset("spike_times_index")
    with reading(table.path, f"{table.name}/spike_times_index"):
        values = None if ends is None else read_values(ends)
    if values is None or values.dtype.kind not in "iu" or len(values) != units:
        raise UserError(
            f"expected {units} whole numbers in {table.name}/spike_times_index of {table.path}: "
            "the file is damaged, get it again"
        )
    if values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise UserError(f"expected spike counts in {table.path}; found {values.max()}")
    return values.astype(np.int64)


def _stimuli(file: h5py.File, path: Path) -> tuple[dict[str, Presentations], Int64Array, int]:
    """Presentations outside invalid intervals, these intervals, and how many were left out."""
    groups = interval_groups(file, path)
    invalid_us = np.empty((0, 2), np.int64)
    if INVALID in groups:
        invalid_us = read_invalid(Table(path, groups.pop(INVALID)))
    presentations, left_out = {}, 0
    for name, group in groups.items():
        table, without_start = read_presentations(name, Table(path, group))
        touched = touches(table, invalid_us)
        presentations[name] = table.take(~touched)
        left_out += without_start + int(touched.sum())
    return presentations, invalid_us, left_out


def _running(file: h5py.File, path: Path) -> Running | None:
    """Running speed where the file has it in cm/s or m/s."""
    with reading(path, RUNNING):
        group = subgroup(file, RUNNING)
        if group is None:
            return None
        data, times = group.get("data"), group.get("timestamps")
        if not isinstance(data, h5py.Dataset) or not isinstance(times, h5py.Dataset):
            return None
        speed, seconds = read_values(data), read_values(times)
        scale = CM_PER_UNIT.get(str(data.attrs.get("unit", "cm/s")))
    if speed is None or seconds is None or scale is None or len(speed) != len(seconds):
        return None
    known = np.isfinite(seconds.astype(np.float64))
    return Running(
        to_us(seconds[known].astype(np.float64), f"{RUNNING} of {path}"),
        speed[known].astype(np.float64) * scale,
    )
