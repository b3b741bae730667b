"""Unit id to row, by an open-addressed table: one probe, mostly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import inlined_kernel, kernel

EMPTY = -(2**63)
# Knuth's multiplicative hash: ids of one probe are neighbours, their slots are not.
MULTIPLIER = np.uint64(11400714819323198485)


@inlined_kernel
def slot_of(unit_id: int, mask: int) -> int:
    """Home slot of an id in a table of ``mask + 1`` slots."""
    mixed = np.uint64(unit_id) * MULTIPLIER
    return int(np.int64(mixed >> np.uint64(32))) & mask


@kernel
def fill_lookup(ids: NDArray[np.int64], keys: NDArray[np.int64], rows: NDArray[np.int32]) -> None:
    """Write distinct ids and their rows into an empty table.

    Parameters
    ----------
    ids : (units,) int64
    keys : (slots,) int64
        All ``EMPTY``; a power of two of slots, more than there are units.
    rows : (slots,) int32
    """
    mask = len(keys) - 1
    for row in range(len(ids)):
        slot = slot_of(ids[row], mask)
        while keys[slot] != EMPTY:
            slot = (slot + 1) & mask
        keys[slot] = ids[row]
        rows[slot] = row


@inlined_kernel
def find_row(unit_id: int, keys: NDArray[np.int64], rows: NDArray[np.int32]) -> int:
    """Row of an id, -1 where the table has it not."""
    mask = len(keys) - 1
    slot = slot_of(unit_id, mask)
    while keys[slot] != EMPTY:
        if keys[slot] == unit_id:
            return int(rows[slot])
        slot = (slot + 1) & mask
    return -1


def make_lookup(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A table for distinct ids: keys (slots,) int64 and rows (slots,) int32."""
    slots = 1 << max(3, int(4 * len(ids) - 1).bit_length())
    keys = np.full(slots, EMPTY, np.int64)
    rows = np.full(slots, -1, np.int32)
    fill_lookup(np.asarray(ids, np.int64), keys, rows)
    return keys, rows
