"""NWB files made by h5py alone, so that a test can make any dataset wrong."""

from pathlib import Path

import h5py
import numpy as np

TEXT = h5py.string_dtype()


def put(group, name, values):
    """Write one dataset; text as variable-length strings, as pynwb does."""
    array = np.asarray(values)
    if array.dtype.kind in "UO":
        group.create_dataset(name, data=array.astype(object), dtype=TEXT)
    else:
        group.create_dataset(name, data=array)


def make_nwb(path, units=None, intervals=None, electrodes=None, description="a session", **texts):
    """Write a file with these tables, each a mapping of column to values.

    Parameters
    ----------
    intervals : dict of path to columns
        ``intervals/trials`` and the like.
    texts : str
        Further scalar texts at the root.
    """
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["session_description"] = description
        for name, text in texts.items():
            file[name] = text
        if units is not None:
            group = file.create_group("units")
            for name, values in units.items():
                put(group, name, values)
        for place, columns in (intervals or {}).items():
            group = file.create_group(place)
            for name, values in columns.items():
                put(group, name, values)
        if electrodes is not None:
            group = file.create_group("general/extracellular_ephys/electrodes")
            for name, values in electrodes.items():
                put(group, name, values)
    return Path(path)


def spikes(*units):
    """Unit columns of these spike times, seconds."""
    return {
        "id": np.arange(len(units)),
        "spike_times": np.concatenate([np.empty(0), *units]).astype(np.float64),
        "spike_times_index": np.cumsum([len(unit) for unit in units]).astype(np.uint32),
    }
