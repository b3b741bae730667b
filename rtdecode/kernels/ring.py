"""The spikes of the last seconds, in order of arrival.

``peak[i]`` is the latest time among all spikes up to slot ``i``. It never
falls, so a search in it finds where a window's spikes may begin, whatever the
disorder of arrival. ``previous`` chains the spikes of one unit, so that a
duplicate is looked for among that unit's last few spikes alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.binning import add_spikes, first_at_or_after
from rtdecode.kernels.jit import inlined_kernel, kernel
from rtdecode.microseconds import FOREVER_US, NEVER_US

# Places in ``Ring.state``.
HEAD, OPEN_FROM_US, RETAIN_US = range(3)


class Ring(NamedTuple):
    """Arrays of the ring; ``capacity`` is a power of two.

    Attributes
    ----------
    times_us, peak_us : (capacity,) int64
    rows : (capacity,) int32
    previous : (capacity,) int64
        Push number of the same unit's spike before, -1 for none.
    last : (units,) int64
        Push number of the spike of each unit that was pushed last, -1 for none.
    newest_us : (units,) int64
        Latest spike time of each unit.
    state : (3,) int64
        Spikes ever pushed; start of the earliest open window; how long before
        the newest spike a spike is kept for a marker that is yet to come.
    """

    times_us: NDArray[np.int64]
    peak_us: NDArray[np.int64]
    rows: NDArray[np.int32]
    previous: NDArray[np.int64]
    last: NDArray[np.int64]
    newest_us: NDArray[np.int64]
    state: NDArray[np.int64]


def make_ring(capacity: int, n_units: int, retain_us: int) -> Ring:
    """An empty ring for at least ``capacity`` spikes."""
    slots = 1 << max(1, int(capacity - 1).bit_length())
    return Ring(
        np.full(slots, NEVER_US, np.int64),
        np.full(slots, NEVER_US, np.int64),
        np.full(slots, -1, np.int32),
        np.full(slots, -1, np.int64),
        np.full(n_units, -1, np.int64),
        np.full(n_units, NEVER_US, np.int64),
        np.array([0, FOREVER_US, retain_us], np.int64),
    )


@inlined_kernel
def is_duplicate(ring: Ring, time_us: int, row: int, dedup_us: int) -> bool:
    """Whether the ring holds a spike of this unit at this very microsecond.

    A spike later than all of its unit, the common case, needs no look. Two units
    that fire in the same microsecond are two spikes.
    """
    if time_us > ring.newest_us[row]:
        return False
    head = ring.state[HEAD]
    return was_pushed(ring.times_us, ring.previous, ring.last[row], head, time_us, dedup_us)


@inlined_kernel
def was_pushed(
    times_us: NDArray[np.int64],
    previous: NDArray[np.int64],
    number: int,
    head: int,
    time_us: int,
    dedup_us: int,
) -> bool:
    """Look back along one unit's spikes from push ``number`` until one is too old to match."""
    mask = len(times_us) - 1
    oldest = max(0, head - len(times_us))
    while number >= oldest:
        seen_us = times_us[number & mask]
        if seen_us == time_us:
            return True
        if seen_us < time_us - dedup_us:
            return False
        number = previous[number & mask]
    return False


@inlined_kernel
def push_spike(ring: Ring, time_us: int, row: int, newest_us: int) -> bool:
    """Keep a spike; False where that would overwrite one that is still needed."""
    mask = len(ring.times_us) - 1
    head = ring.state[HEAD]
    slot = head & mask
    if head > mask:
        needed_us = min(ring.state[OPEN_FROM_US], newest_us - ring.state[RETAIN_US])
        if ring.times_us[slot] >= needed_us:
            return False
    before_us = ring.peak_us[(head - 1) & mask]
    ring.times_us[slot] = time_us
    ring.rows[slot] = row
    ring.peak_us[slot] = max(time_us, before_us) if head else time_us
    ring.previous[slot] = ring.last[row]
    ring.last[row] = head
    ring.newest_us[row] = max(time_us, ring.newest_us[row])
    ring.state[HEAD] = head + 1
    return True


@kernel
def bin_ring_window(ring: Ring, start_us: int, bin_us: int, out: NDArray[np.uint16]) -> int:
    """Counts of one window out of the ring.

    Parameters
    ----------
    ring : Ring
    start_us, bin_us : int
    out : (bins, units) uint16
        Cleared, then filled in place.

    Returns
    -------
    int
        How many spikes lie in the window.
    """
    out[:] = 0
    capacity = len(ring.times_us)
    head = ring.state[HEAD]
    if head <= capacity:
        low = first_at_or_after(ring.peak_us, start_us, 0, head)
        return add_spikes(ring.times_us, ring.rows, low, head, start_us, bin_us, out)
    cut = head & (capacity - 1)
    if ring.peak_us[capacity - 1] >= start_us:
        low = first_at_or_after(ring.peak_us, start_us, cut, capacity)
        old = add_spikes(ring.times_us, ring.rows, low, capacity, start_us, bin_us, out)
        return old + add_spikes(ring.times_us, ring.rows, 0, cut, start_us, bin_us, out)
    low = first_at_or_after(ring.peak_us, start_us, 0, cut)
    return add_spikes(ring.times_us, ring.rows, low, cut, start_us, bin_us, out)
