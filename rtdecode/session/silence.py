"""Stretches of a recording in which nothing fires: gaps, as a fault leaves them."""

from __future__ import annotations

import numpy as np

from rtdecode.session.model import BoolArray, Int64Array, Session

PIECE = 1 << 20
# Half a second each for two months; a longer session gets wider bins.
MOST_BINS = 10_000_000


def silences(session: Session, at_least_us: int) -> Int64Array:
    """Find stretches without any spike of any unit, between the first and the last.

    A silence of that length leaves a bin of half that length empty, so that
    the spikes need not be put in order.

    Returns
    -------
    (silences, 2) int64
        Last spike before and first spike after, microseconds.
    """
    times_us = session.spike_times_us
    if not len(times_us):
        return np.empty((0, 2), np.int64)
    first, last = int(times_us.min()), int(times_us.max())
    width = max(at_least_us // 2, (last - first) // MOST_BINS + 1)
    taken = _taken(times_us, first, last, width)
    ends = np.flatnonzero(np.diff(taken.astype(np.int8)))
    # The first and the last bin are taken, so that empty runs have two ends.
    runs_us = first + (ends.reshape(-1, 2) + 1) * width
    found = _around(session, runs_us)
    long: BoolArray = found[:, 1] - found[:, 0] >= at_least_us
    return np.asarray(found[long], np.int64)


def _taken(times_us: Int64Array, first: int, last: int, width: int) -> BoolArray:
    """Which bins hold a spike."""
    taken = np.zeros((last - first) // width + 1, np.bool_)
    for start in range(0, len(times_us), PIECE):
        taken[(times_us[start : start + PIECE] - first) // width] = True
    return taken


def _around(session: Session, runs_us: Int64Array) -> Int64Array:
    """Last spike before each empty run and first spike after it."""
    before = np.full(len(runs_us), np.iinfo(np.int64).min)
    after = np.full(len(runs_us), np.iinfo(np.int64).max)
    for row in range(len(session.units)):
        spikes = session.spikes_of(row)
        place = np.searchsorted(spikes, runs_us[:, 0])
        # Runs are empty, so the next spike lies after the run too.
        earlier, later = place > 0, place < len(spikes)
        before[earlier] = np.maximum(before[earlier], spikes[place[earlier] - 1])
        after[later] = np.minimum(after[later], spikes[place[later]])
    return np.stack([before, after], axis=1)
