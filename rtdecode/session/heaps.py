"""HDF5's heaps of text, looked through before HDF5 is let near them.

A heap ends with its free space, whose length takes HDF5 to the heap's end. Where
that length is damaged to nothing, HDF5 1.14 goes round for ever, and no time-out
of ours can stop it. Found by fuzzing: one damaged file in ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rtdecode.errors import UserError

SIGNATURE = b"GCOL\x01\0\0\0"
HEADER = 16  # of a heap, and of each of its objects
# What of a file is looked through in less time than it takes to open it; larger ones are not.
LARGEST = 1 << 26
PIECE = 1 << 18


def check_heaps(path: Path) -> None:
    """Refuse a file that would take HDF5 round for ever.

    Raises
    ------
    UserError
    """
    size = path.stat().st_size
    if not HEADER < size <= LARGEST:
        return
    with path.open("rb") as file:
        # All found before any is walked through: both move the same file.
        for heap in list(_heaps(file)):
            if _is_endless(file, heap, size):
                raise UserError(
                    f"cannot read {path}: a heap of text in it has no end; "
                    "the file is damaged, get it again"
                )


def _heaps(file: BinaryIO) -> Iterator[int]:
    """Where heaps begin; the file passes through one small buffer, not into memory."""
    overlap = len(SIGNATURE) - 1
    buffer = bytearray(overlap + PIECE)
    start = -overlap
    while count := file.readinto(memoryview(buffer)[overlap:]):  # type: ignore[attr-defined]
        place = buffer.find(SIGNATURE, 0, overlap + count)
        while place >= 0:
            yield start + place
            place = buffer.find(SIGNATURE, place + len(SIGNATURE), overlap + count)
        buffer[:overlap] = buffer[count : count + overlap]
        start += count


def _is_endless(file: BinaryIO, heap: int, length: int) -> bool:
    """Whether a walk from object to object comes to a stand before the heap's end."""
    end = min(heap + _number(_header(file, heap)[8:]), length)
    place = heap + HEADER
    while place + HEADER <= end:
        header = _header(file, place)
        size, is_free = _number(header[8:]), not _number(header[:2])
        step = size if is_free else HEADER + -(-size // 8) * 8
        if step % (1 << 64) == 0:
            return True
        place += step
    return False


def _header(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(HEADER)


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little")
