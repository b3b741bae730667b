"""HDF5's heaps of text, looked through before HDF5 is let near them.

A heap ends with its free space, whose length takes HDF5 to the heap's end. Where
that length is damaged to nothing, HDF5 1.14 goes round for ever, and no time-out
of ours can stop it. Found by fuzzing: one damaged file in ten thousand.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from rtdecode.errors import UserError

SIGNATURE = b"GCOL\x01\0\0\0"
HEADER = 16  # of a heap, and of each of its objects
# What of a file is looked through in less time than it takes to open it; larger ones are not.
LARGEST = 1 << 28


def check_heaps(path: Path) -> None:
    """Refuse a file that would take HDF5 round for ever.

    Raises
    ------
    UserError
    """
    if not HEADER < path.stat().st_size <= LARGEST:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(SIGNATURE)
        while place >= 0:
            if _is_endless(content, place):
                raise UserError(
                    f"cannot read {path}: a heap of text in it has no end; "
                    "the file is damaged, get it again"
                )
            place = content.find(SIGNATURE, place + len(SIGNATURE))


def _is_endless(content: mmap.mmap, heap: int) -> bool:
    """Whether a walk from object to object comes to a stand before the heap's end."""
    end = min(heap + _number(content, heap + 8, 8), len(content))
    place = heap + HEADER
    while place + HEADER <= end:
        size = _number(content, place + 8, 8)
        is_free = not _number(content, place, 2)
        step = size if is_free else HEADER + -(-size // 8) * 8
        if step % (1 << 64) == 0:
            return True
        place += step
    return False


def _number(content: mmap.mmap, place: int, size: int) -> int:
    return int.from_bytes(content[place : place + size], "little")
