"""NWB tables read by h5py: read-only, and with nothing taken on trust.

An NWB file is an HDF5 file whose tables are groups of equally long datasets.
A file may be cut off, damaged or made up, so each size is checked before
memory is taken for it, and whatever HDF5 raises becomes one line that names
the file and the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import psutil
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.session.columns import Column, as_column
from rtdecode.session.heaps import check_heaps

SMALL = 1 << 20  # bytes that any machine has
# What h5py raises on damaged files, by trial: all of these.
HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what HDF5 raises inside into a UserError about this part of the file."""
    try:
        yield
    except HDF5_ERRORS as error:
        reason = str(error).strip().strip("'\"").partition("\n")[0] or type(error).__name__
        raise UserError(
            f"cannot read {what} of {path}: {reason}; the file is damaged or cut off, get it again"
        ) from error


@contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Open an NWB 2 file for reading; it is closed on leaving.

    Raises
    ------
    UserError
        If there is no such file, or it is no HDF5, damaged, no NWB or NWB 1.
    """
    if not path.is_file():
        raise UserError(f"expected a session file at {path}; there is none: check the path")
    if not h5py.is_hdf5(path):
        raise UserError(f"expected an NWB (HDF5) file; {path} is none: check the path")
    with reading(path, "the head"):
        check_heaps(path)
        file = h5py.File(path, "r", locking="best-effort")
    with file:
        _check_version(file, path)
        # What is read in passing (a type, a scalar text) may be damaged as well.
        with reading(path, "what is in the tables"):
            yield file


def _check_version(file: h5py.File, path: Path) -> None:
    with reading(path, "the NWB version"):
        version = file.attrs.get("nwb_version")
        old = "nwb_version" in file
    if old:
        raise UserError(f"expected NWB 2; {path} is NWB 1: convert it to NWB 2 first")
    if version is None:
        raise UserError(f"expected an NWB file; {path} is HDF5 without nwb_version: check the path")


def subgroup(group: h5py.Group, name: str) -> h5py.Group | None:
    """Return the group of this name (or path), None where there is none."""
    found = group.get(name)
    return found if isinstance(found, h5py.Group) else None


def read_text(file: h5py.File, name: str) -> str:
    """Read a scalar text, empty where there is none."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape != ():
        return ""
    value = found[()]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip()


def check_size(dataset: h5py.Dataset) -> None:
    """Refuse a dataset that the file does not really hold, or memory cannot.

    Raises
    ------
    OSError
        If the file holds fewer bytes than the dataset claims to have.
    MemoryError
        If it would fill the memory that is free.
    """
    plain = dataset.chunks is None and not dataset.is_virtual and not dataset.external
    if plain and dataset.id.get_storage_size() < dataset.nbytes:
        raise OSError(f"it claims {dataset.size} values and does not hold them")
    _check_room(dataset.nbytes)


def _check_room(wanted: int) -> None:
    if wanted <= SMALL:
        return
    available = psutil.virtual_memory().available
    if wanted > available:
        raise MemoryError(f"it claims {wanted:,} bytes and {available:,} are free")


def read_values(dataset: h5py.Dataset) -> NDArray[np.generic] | None:
    """Read a one-dimensional dataset of numbers or text; None for any other kind."""
    if dataset.ndim != 1:
        return None
    check_size(dataset)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return _widened(read_texts(dataset))
    if dataset.dtype.kind in "biuf":
        return np.asarray(dataset[:])
    return None


def read_texts(dataset: h5py.Dataset) -> NDArray[np.object_]:
    """Read text as Python's own, each as long as it is."""
    check_size(dataset)
    return np.asarray(dataset.asstr("utf-8", errors="replace")[:], np.object_)


def _widened(texts: NDArray[np.object_]) -> NDArray[np.str_]:
    """As NumPy's text, of which every value takes as much as the longest."""
    _check_room(4 * len(texts) * max(map(len, texts), default=0))
    return texts.astype(np.str_)


class Table:
    """One table of an NWB file: equally long columns, some of them ragged.

    Parameters
    ----------
    path : Path
        The file, for messages.
    group : h5py.Group
    """

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self.path = path
        self.group = group
        self.name = str(group.name)
        with reading(path, self.name):
            # A name that is no UTF-8 comes as bytes.
            names = [name for name in group if isinstance(name, str)]
            self.names = [name for name in names if isinstance(group.get(name), h5py.Dataset)]

    def dataset(self, name: str) -> h5py.Dataset | None:
        """Return the dataset of this column, None where there is none."""
        if name not in self.names:
            return None
        found = self.group[name]
        return found if isinstance(found, h5py.Dataset) else None

    def values(self, name: str) -> NDArray[np.generic] | None:
        """Read a column as it is stored; None where absent, ragged or of another kind."""
        dataset = self.dataset(name)
        if dataset is None or not self._has_one_a_row(name, dataset):
            return None
        with reading(self.path, f"{self.name}/{name}"):
            values = read_values(dataset)
            elements = dataset.attrs.get("elements")
            if values is not None and isinstance(elements, h5py.Reference) and elements:
                values = self._named(values, self.group.file[elements])
        return values

    def _named(self, codes: NDArray[np.generic], names: object) -> NDArray[np.generic]:
        """Words for the codes of an EnumData column."""
        words = read_values(names) if isinstance(names, h5py.Dataset) else None
        if words is None or codes.dtype.kind not in "iu":
            return codes
        rows = codes.astype(np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(words)):
            raise ValueError(f"codes from {rows.min()} to {rows.max()} for {len(words)} words")
        return np.asarray(words[rows])

    def _has_one_a_row(self, name: str, dataset: h5py.Dataset) -> bool:
        """Whether a column is not ragged, or ragged with just one value in every row."""
        index = self.dataset(f"{name}_index")
        if index is None:
            return True
        # A value a spike may be as many values as spikes: not read to find that out.
        if index.shape != dataset.shape:
            return False
        ends = self.values(f"{name}_index")
        return ends is not None and np.array_equal(ends, np.arange(1, len(ends) + 1))

    def column(self, name: str, rows: int) -> Column | None:
        """Read a column of this many rows, cleaned; None where absent or of another kind.

        Raises
        ------
        UserError
            If it has another number of rows, or cannot be read.
        """
        values = self.values(name)
        if values is None:
            return None
        if len(values) != rows:
            raise UserError(
                f"expected {rows} rows in {self.name}/{name} of {self.path}; found "
                f"{len(values)}: the file is damaged, get it again"
            )
        return as_column(values)

    def columns(self, rows: int, leave_out: frozenset[str] = frozenset()) -> dict[str, Column]:
        """Read every column of one value a row but for those left out, by name."""
        names = [
            name
            for name in self.names
            if name not in leave_out
            and not (name.endswith("_index") and name.removesuffix("_index") in self.names)
        ]
        read = {name: self.column(name, rows) for name in names}
        return {name: column for name, column in read.items() if column is not None}
