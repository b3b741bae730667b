"""Tables of a record's file that pynwb has left empty, filled a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import h5py
from numpy.typing import DTypeLike

from rtdecode.record.disk import DiskFile
from rtdecode.record.rows import Columns

# Of gzip the first level: half the size, and several times as fast as the usual fourth.
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class Filling:
    """Fills empty datasets of a file that is being written.

    Parameters
    ----------
    file : h5py.File
    disk : DiskFile
        Where it lies.

    Attributes
    ----------
    file : h5py.File
    """

    def __init__(self, file: h5py.File, disk: DiskFile) -> None:
        self.file = file
        self._disk = disk

    def fill(
        self, place: str, n: int, stretches: Iterable[Columns], packed: Sequence[str] = ()
    ) -> None:
        """Give the columns of a group their values.

        Parameters
        ----------
        place : str
            The group.
        n : int
            How long its columns are.
        stretches : iterable of mapping
            The next values of each column by its name, equally many of each.
        packed : sequence of str
            The columns that are compressed.

        Raises
        ------
        OSError
            If the disk does not take it.
        """
        group, first = self.file[place], 0
        datasets: dict[str, h5py.Dataset] = {}
        for columns in stretches:
            # Kept open: a chunk that is not full stays in memory, and is packed once.
            datasets = datasets or {
                name: lengthened(group, name, n, packed=name in packed) for name in columns
            }
            stop = first + len(next(iter(columns.values())))
            for name, values in columns.items():
                datasets[name][first:stop] = values
            self._disk.check()
            first = stop


def lengthened(
    group: h5py.Group, name: str, n: int, dtype: DTypeLike = None, packed: bool = False
) -> h5py.Dataset:
    """The dataset in the place of an empty one: n long, of the same attributes.

    Parameters
    ----------
    dtype : dtype
        The empty one's by default.
    """
    empty = group[name]
    shape, dtype = (n, *empty.shape[1:]), dtype or empty.dtype
    attributes = dict(empty.attrs)
    del group[name]
    dataset = group.create_dataset(name, shape, dtype, **(PACKED if packed else {}))
    dataset.attrs.update(attributes)
    return dataset
