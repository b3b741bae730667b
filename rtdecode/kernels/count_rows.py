"""Samples of counts as rows of the spike stream: each count so many spikes at its sample's time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.ingest import SEQUENCE_MASK, WATERMARK_ID
from rtdecode.kernels.jit import kernel

MALFORMED_ID = -2
MOST = 1000  # a count above this is none; nor is one of a sample that fills a whole pull
GAP = 1.5  # samples further apart than so many periods have others missing between them


class CountState(NamedTuple):
    """What is carried from pull to pull.

    Attributes
    ----------
    sequence : (1,) int64
        Of the next row.
    last_s : (1,) float64
        Stamp of the last sample; NaN before the first.
    tally : (2,) int64
        Samples taken; samples missing between them.
    """

    sequence: NDArray[np.int64]
    last_s: NDArray[np.float64]
    tally: NDArray[np.int64]


def make_count_state() -> CountState:
    """Before the first sample."""
    return CountState(np.zeros(1, np.int64), np.full(1, np.nan), np.zeros(2, np.int64))


@kernel
def expand_counts(
    state: CountState,
    counts: NDArray[Any],
    stamps: NDArray[np.float64],
    first: int,
    unit_ids: NDArray[np.int32],
    period_s: float,
    rows: NDArray[np.int32],
    row_stamps: NDArray[np.float64],
) -> tuple[int, int]:
    """Rows of samples from ``first`` on, as many as there is room for.

    A sample closes with a watermark half a period after it: all before it has come,
    and the next lies a period on. Samples that are missing show as rows that never came.

    Parameters
    ----------
    state : CountState
        Changed in place.
    counts : (samples, channels) int16 or float32
    stamps : (samples,) float64
        Seconds.
    first : int
    unit_ids : (channels,) int32
    period_s : float
    rows : (capacity, 2) int32
        Unit id and sequence.
    row_stamps : (capacity,) float64

    Returns
    -------
    n_rows, next : int
        Rows written; the sample to go on with.
    """
    n, sample = 0, first
    while sample < len(stamps):
        needed = 1
        for channel in range(len(unit_ids)):
            count = counts[sample, channel]
            needed += int(count) if 0 < count <= MOST else 1
        if n + needed > len(rows) and n:
            break
        most = MOST if needed <= len(rows) else 0
        stamp, last_s = stamps[sample], state.last_s[0]
        if stamp - last_s > GAP * period_s:
            missing = int(np.rint((stamp - last_s) / period_s)) - 1
            state.sequence[0] += missing
            state.tally[1] += missing
        state.last_s[0] = stamp
        state.tally[0] += 1
        for channel in range(len(unit_ids)):
            count = counts[sample, channel]
            if count == 0:
                continue
            unit_id, times = MALFORMED_ID, 1
            # What is no whole number up to the most is no count: NaN fails as well.
            if 0 < count <= most and count == np.floor(count):
                unit_id, times = unit_ids[channel], int(count)
            for _ in range(times):
                rows[n, 0], rows[n, 1] = unit_id, state.sequence[0] & SEQUENCE_MASK
                row_stamps[n] = stamp
                state.sequence[0] += 1
                n += 1
        rows[n, 0], rows[n, 1] = WATERMARK_ID, state.sequence[0] & SEQUENCE_MASK
        row_stamps[n] = stamp + period_s / 2
        state.sequence[0] += 1
        n += 1
        sample += 1
    return n, sample
