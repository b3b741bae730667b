"""Event-driven inference: each spike adds its weights to the windows that are open.

The first layer of a model is linear in the counts, or in one bent measure of
each (a square root): the spike that takes a count from ``c`` to ``c + 1`` adds
its column of weights times ``bent(c + 1) - bent(c)``. So the layer is taken
spike by spike as they come, and when the window ends a handful of spikes and
the small rest of the model are left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import kernel
from rtdecode.kernels.ring import HEAD, Ring
from rtdecode.microseconds import FOREVER_US

# Places in a row of ``Sums.layout``.
BIN_US, BINS, UNITS, WIDTH, FIRST_SUM, FIRST_WEIGHT, FIRST_COUNT = range(7)
STRAIGHT = -1  # as first count: no count is kept, since every spike adds the same


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """One layer of weights on the counts, or on a bent measure of each.

    Attributes
    ----------
    weight : (bins * units, width) float32
        ``bins`` is 1 where the counts are those of the whole window.
    bins : int
    bias : (width,) float64
        What the layer gives for silence.
    bent : (most + 1,) float64
        The measure of each count, 0 and 1 for the first two; empty where it is
        the count itself. A window in which a count is beyond it has no sums.
    """

    weight: NDArray[np.float32]
    bins: int
    bias: NDArray[np.float64]
    bent: NDArray[np.float64]


class Sums(NamedTuple):
    """One slot for each window that may be open.

    Attributes
    ----------
    start_us : (slots,) int64
        ``FOREVER_US`` in a slot that is free.
    upto : (slots,) int64
        Push number in the ring up to which spikes are in the sums.
    beyond : (slots,) bool
        Whether a count has gone beyond what ``bent`` knows.
    sums : (slots, width) float64
        Of all first layers, side by side.
    counts : (slots, rows) uint16
        Of the layers that are bent.
    weight : (sizes of all layers,) float32
    bias : (width,) float64
    bent : (layers, most + 1) float64
    layout : (layers, 7) int64
        Bin length in microseconds, bins, units, width, and where the layer's
        sums, weights and counts begin.
    length_us : (1,) int64
        Of a window.
    """

    start_us: NDArray[np.int64]
    upto: NDArray[np.int64]
    beyond: NDArray[np.bool_]
    sums: NDArray[np.float64]
    counts: NDArray[np.uint16]
    weight: NDArray[np.float32]
    bias: NDArray[np.float64]
    bent: NDArray[np.float64]
    layout: NDArray[np.int64]
    length_us: NDArray[np.int64]


def make_sums(layers: Sequence[FirstLayer], length_us: int, n_units: int, slots: int) -> Sums:
    """Sums of windows of ``length_us`` with every slot free."""
    layout = np.zeros((len(layers), 7), np.int64)
    most = max((len(layer.bent) for layer in layers), default=0)
    bent = np.zeros((len(layers), most))
    sums = weights = counts = 0
    for row, layer in enumerate(layers):
        n, width = layer.weight.shape
        is_bent = len(layer.bent) > 0
        first_count = counts if is_bent else STRAIGHT
        bin_us = length_us // layer.bins
        layout[row] = bin_us, layer.bins, n_units, width, sums, weights, first_count
        bent[row, : len(layer.bent)] = layer.bent
        sums, weights, counts = sums + width, weights + n * width, counts + n * is_bent
    return Sums(
        np.full(slots, FOREVER_US, np.int64),
        np.zeros(slots, np.int64),
        np.zeros(slots, np.bool_),
        np.zeros((slots, sums)),
        np.zeros((slots, counts), np.uint16),
        np.concatenate([np.zeros(0, np.float32), *(layer.weight.ravel() for layer in layers)]),
        np.concatenate([np.zeros(0), *(layer.bias for layer in layers)]),
        bent,
        layout,
        np.array([length_us], np.int64),
    )


@kernel
def add_weights(sums: Sums, layer: int, row: int, step: float, into: NDArray[np.float64]) -> None:
    """Add a layer's weights of one row, ``step`` times."""
    place = sums.layout[layer]
    width, first_sum = place[WIDTH], place[FIRST_SUM]
    first = place[FIRST_WEIGHT] + row * width
    for column in range(width):
        into[first_sum + column] += step * sums.weight[first + column]


@kernel
def add_spike(sums: Sums, slot: int, since_us: int, unit: int) -> None:
    """Add a spike so long after its window's start to the window's sums."""
    for layer in range(len(sums.layout)):
        place = sums.layout[layer]
        row = since_us // place[BIN_US] * place[UNITS] + unit
        step = 1.0
        if place[FIRST_COUNT] != STRAIGHT:
            at = place[FIRST_COUNT] + row
            count = sums.counts[slot, at]
            if count + 1 >= sums.bent.shape[1]:
                sums.beyond[slot] = True
                return
            sums.counts[slot, at] = count + 1
            step = sums.bent[layer, count + 1] - sums.bent[layer, count]
        add_weights(sums, layer, row, step, sums.sums[slot])


@kernel
def add_pushed(ring: Ring, sums: Sums, slot: int) -> None:
    """Add the spikes that were pushed since the last time to one window's sums."""
    mask = len(ring.times_us) - 1
    head = ring.state[HEAD]
    start_us = sums.start_us[slot]
    end_us = start_us + sums.length_us[0]
    # What was overwritten is older than every open window.
    for number in range(max(sums.upto[slot], head - mask - 1), head):
        time_us = ring.times_us[number & mask]
        if start_us <= time_us < end_us:
            add_spike(sums, slot, time_us - start_us, ring.rows[number & mask])
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
            sums.beyond[slot] = False
            sums.sums[slot] = sums.bias
            sums.counts[slot] = 0
            add_pushed(ring, sums, slot)
            return slot
    return -1


@kernel
def free_sum(sums: Sums, slot: int) -> None:
    """Give a slot back."""
    sums.start_us[slot] = FOREVER_US


@kernel
def close_sum(ring: Ring, sums: Sums, slot: int, out: NDArray[np.float64]) -> bool:
    """A window's sums (width,) with all spikes that the ring has; frees its slot.

    Returns
    -------
    bool
        Whether there are any: no count was beyond what is known of its measure.
    """
    add_pushed(ring, sums, slot)
    out[: len(sums.bias)] = sums.sums[slot]
    free_sum(sums, slot)
    return not sums.beyond[slot]


@kernel
def sum_counts(counts: NDArray[np.uint16], sums: Sums, out: NDArray[np.float64]) -> bool:
    """Sums (width,) of the counts (bins, units) of a window that had no slot; see `close_sum`."""
    out[: len(sums.bias)] = sums.bias
    for layer in range(len(sums.layout)):
        place = sums.layout[layer]
        together = len(counts) // place[BINS]
        for row in range(place[BINS] * place[UNITS]):
            first, unit = row // place[UNITS] * together, row % place[UNITS]
            count = 0
            for b in range(first, first + together):
                count += counts[b, unit]
            if count == 0:
                continue
            step = float(count)
            if place[FIRST_COUNT] != STRAIGHT:
                if count >= sums.bent.shape[1]:
                    return False
                step = sums.bent[layer, count]
            add_weights(sums, layer, row, step, out)
    return True
