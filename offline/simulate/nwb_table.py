"""NWB tables (DynamicTable) written with h5py: columns, ragged columns, type marks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

DESCRIPTIONS = {
    "start_time": "Start, seconds",
    "stop_time": "End, seconds",
    "stimulus_name": "Name of the stimulus",
    "stimulus_block": "Index of contiguous presentations of one stimulus",
    "frame": "Frame of the picture set or film; -1 is blank",
    "orientation": "Orientation or direction, degrees",
    "spatial_frequency": "Cycles per degree",
    "temporal_frequency": "Cycles per second",
    "phase": "Phase, cycles",
    "peak_channel_id": "Id of the electrode on which the unit is largest",
    "quality": "good, or noise by its waveform",
    "firing_rate": "Spikes a second over the session",
    "isi_violations": "Rate of refractory violations over the unit's rate",
    "presence_ratio": "Share of the session in which the unit fired",
    "amplitude_cutoff": "Share of spikes too small to be found",
    "waveform_duration": "Trough to peak, milliseconds",
    "location": "Area of the channel, empty outside the brain",
    "spike_times": "Times of spikes, seconds",
    "spike_amplitudes": "Not simulated: empty",
    "waveform_mean": "Not simulated: empty",
}


def mark(item: h5py.Group | h5py.Dataset, kind: str, namespace: str = "core") -> None:
    """Say of a group or dataset which NWB type it is."""
    item.attrs["neurodata_type"] = kind
    item.attrs["namespace"] = namespace
    item.attrs["object_id"] = str(uuid.uuid4())


def add_table(
    place: h5py.Group,
    name: str,
    kind: str,
    ids: NDArray[np.int64],
    columns: Mapping[str, NDArray[Any]],
) -> h5py.Group:
    """Write a table of columns of equal length.

    Parameters
    ----------
    place : h5py.Group
        Where the table goes.
    name, kind : str
        Its name and NWB type (``DynamicTable``, ``TimeIntervals``, ``Units``).
    ids : (rows,) int64
    columns : dict of str to (rows,) array

    Returns
    -------
    h5py.Group
    """
    table = place.create_group(name)
    mark(table, kind)
    table.attrs["description"] = f"{name} (simulated)"
    table.attrs["colnames"] = np.array(list(columns), dtype=h5py.string_dtype())
    rows = table.create_dataset("id", data=ids)
    mark(rows, "ElementIdentifiers", "hdmf-common")
    for column, values in columns.items():
        _mark_column(_write(table, column, values), column, "VectorData")
    return table


def add_ragged(
    table: h5py.Group, name: str, ends: ArrayLike, dtype: Any, width: tuple[int, ...] = ()
) -> h5py.Dataset:
    """Add an empty ragged column; row ``r`` owns values ``ends[r - 1]`` up to ``ends[r]``.

    ``width`` is the shape of one value where that is no scalar.
    """
    ends = np.asarray(ends, np.int64)
    size = int(ends[-1]) if len(ends) else 0
    values = table.create_dataset(name, shape=(size, *width), dtype=dtype)
    _mark_column(values, name, "VectorData")
    index = table.create_dataset(f"{name}_index", data=ends.astype(np.uint64))
    _mark_column(index, f"Index for {name}", "VectorIndex")
    index.attrs["target"] = values.ref
    names = [*table.attrs["colnames"], name]
    table.attrs["colnames"] = np.array(names, dtype=h5py.string_dtype())
    return values


def _write(table: h5py.Group, name: str, values: NDArray[Any]) -> h5py.Dataset:
    if values.dtype.kind == "U":
        return table.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
    return table.create_dataset(name, data=values, dtype=values.dtype)


def _mark_column(column: h5py.Dataset, name: str, kind: str) -> None:
    mark(column, kind, "hdmf-common")
    column.attrs["description"] = DESCRIPTIONS.get(name, name)
