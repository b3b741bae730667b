"""A file for HDF5 to write on a disk that may be full.

HDF5 that cannot write cannot close its file either, and takes the process with
it. So no write of its own fails: what the disk refuses stays in memory, and
``check`` raises the trouble, to be called before much has come together.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any


class DiskFile(io.RawIOBase):
    """A new file, for ``h5py.File``.

    Parameters
    ----------
    path : Path
        Not there yet.

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file = path.open("xb+", buffering=0)
        self._place = self._size = 0
        self._refused: list[tuple[int, bytes]] = []
        self._trouble: OSError | None = None

    def __repr__(self) -> str:
        """Its path: what h5py takes for the file's name."""
        return str(self._path)

    def check(self) -> None:
        """Raise what the disk had to say."""
        if self._trouble is not None:
            raise self._trouble

    def sync(self) -> None:
        """See to it that what was written outlives the machine.

        Raises
        ------
        OSError
            Also for what the disk refused before.
        """
        self.check()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close it as it is."""
        self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there."""
        self._place = offset + (self._size if whence == os.SEEK_END else 0)
        return self._place

    def tell(self) -> int:
        """Where we are."""
        return self._place

    def write(self, content: Any) -> int:
        """Write all of it."""
        content, place = bytes(content), self._place
        self._place += len(content)
        self._size = max(self._size, self._place)
        if self._trouble is None:
            try:
                self._put(content, place)
            except OSError as error:
                self._trouble = error
        if self._trouble is not None:
            self._refused.append((place, content))
        return len(content)

    def _put(self, content: bytes, place: int) -> None:
        self._file.seek(place)
        written = 0
        while written < len(content):
            written += self._file.write(content[written:])

    def readinto(self, buffer: Any) -> int:
        """Read what was written, from the disk or from what it refused."""
        view, place = memoryview(buffer).cast("B"), self._place
        n = max(0, min(len(view), self._size - place))
        self._file.seek(place)
        there = self._file.readinto(view[:n])
        view[there:n] = bytes(n - there)
        for start, content in self._refused:
            low, high = max(start, place), min(start + len(content), place + n)
            if low < high:
                view[low - place : high - place] = content[low - start : high - start]
        self._place += n
        return n

    def truncate(self, size: int | None = None) -> int:
        """Make it so long."""
        self._size = self._place if size is None else size
        if self._trouble is None:
            try:
                self._file.truncate(self._size)
            except OSError as error:
                self._trouble = error
        return self._size
