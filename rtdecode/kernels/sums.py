"""Event-driven inference: each spike adds its weights to the windows that are open.

For a linear map of counts the sum over a window's spikes is the product of
weights and counts, taken spike by spike as they come. When the window ends, a
handful of spikes and the softmax are left to do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import kernel
from rtdecode.kernels.ring import HEAD, Ring
from rtdecode.microseconds import FOREVER_US


class Sums(NamedTuple):
    """One slot for each window that may be open.

    Attributes
    ----------
    start_us : (slots,) int64
        ``FOREVER_US`` in a slot that is free.
    upto : (slots,) int64
        Push number in the ring up to which spikes are in the sums.
    logits : (slots, classes) float64
    weight : (bins * units, classes) float32
    bias : (classes,) float32
    layout : (2,) int64
        Bin length in microseconds; units.
    """

    start_us: NDArray[np.int64]
    upto: NDArray[np.int64]
    logits: NDArray[np.float64]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    layout: NDArray[np.int64]


def make_sums(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    bin_us: int,
    n_units: int,
    slots: int,
) -> Sums:
    """Sums with every slot free."""
    return Sums(
        np.full(slots, FOREVER_US, np.int64),
        np.zeros(slots, np.int64),
        np.zeros((slots, len(bias))),
        np.ascontiguousarray(weight, np.float32),
        np.ascontiguousarray(bias, np.float32),
        np.array([bin_us, n_units], np.int64),
    )


@kernel
def add_pushed(ring: Ring, sums: Sums, slot: int) -> None:
    """Add the spikes that were pushed since the last time to one window's sums."""
    mask = len(ring.times_us) - 1
    head = ring.state[HEAD]
    start_us, bin_us, n_units = sums.start_us[slot], sums.layout[0], sums.layout[1]
    end_us = start_us + len(sums.weight) // n_units * bin_us
    logits = sums.logits[slot]
    # What was overwritten is older than every open window.
    for number in range(max(sums.upto[slot], head - mask - 1), head):
        time_us = ring.times_us[number & mask]
        if start_us <= time_us < end_us:
            row = (time_us - start_us) // bin_us * n_units + ring.rows[number & mask]
            for column in range(len(logits)):
                logits[column] += sums.weight[row, column]
    sums.upto[slot] = head


@kernel
def add_to_open(ring: Ring, sums: Sums) -> None:
    """Bring every open window's sums up to the ring's head."""
    for slot in range(len(sums.start_us)):
        if sums.start_us[slot] != FOREVER_US:
            add_pushed(ring, sums, slot)


@kernel
def open_sum(ring: Ring, sums: Sums, start_us: int) -> int:
    """Open a window with the spikes that came before it; its slot, -1 where none is free."""
    mask = len(ring.times_us) - 1
    for slot in range(len(sums.start_us)):
        if sums.start_us[slot] == FOREVER_US:
            low = ring.state[HEAD]
            oldest = max(0, low - mask - 1)
            # The peak never falls: before it is too early, every spike is.
            while low > oldest and ring.peak_us[(low - 1) & mask] >= start_us:
                low -= 1
            sums.start_us[slot] = start_us
            sums.upto[slot] = low
            sums.logits[slot] = sums.bias
            add_pushed(ring, sums, slot)
            return slot
    return -1


@kernel
def softmax(logits: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Probabilities of logits (classes,)."""
    highest = logits.max()
    total = 0.0
    for i in range(len(logits)):
        logits[i] = np.exp(logits[i] - highest)
        total += logits[i]
    for i in range(len(logits)):
        out[i] = logits[i] / total


@kernel
def free_sum(sums: Sums, slot: int) -> None:
    """Give a slot back."""
    sums.start_us[slot] = FOREVER_US


@kernel
def close_sum(ring: Ring, sums: Sums, slot: int, out: NDArray[np.float32]) -> None:
    """Probabilities (classes,) of a window with all spikes that the ring has; frees its slot."""
    add_pushed(ring, sums, slot)
    softmax(sums.logits[slot], out)
    free_sum(sums, slot)


@kernel
def sum_counts(counts: NDArray[np.uint16], sums: Sums, out: NDArray[np.float32]) -> None:
    """Probabilities (classes,) of the counts (bins, units) of a window that had no slot."""
    logits = sums.bias.astype(np.float64)
    for b in range(counts.shape[0]):
        for unit in range(counts.shape[1]):
            if counts[b, unit]:
                row = b * counts.shape[1] + unit
                for column in range(len(logits)):
                    logits[column] += np.float64(counts[b, unit]) * sums.weight[row, column]
    softmax(logits, out)
