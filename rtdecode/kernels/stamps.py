"""Stamps of the wire, float seconds, into int64 microseconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import kernel
from rtdecode.microseconds import INVALID_US

LARGEST_S = 9e12  # beyond this, microseconds leave int64


@kernel
def stamps_to_us(stamps: NDArray[np.float64], n: int, out: NDArray[np.int64]) -> None:
    """Round the first ``n`` stamps to microseconds.

    Parameters
    ----------
    stamps : (>= n,) float64
        Seconds.
    n : int
    out : (>= n,) int64
        Microseconds; ``INVALID_US`` where a stamp is NaN, infinite or absurd.
    """
    for i in range(n):
        # A NaN fails every comparison, so it falls through to the mark.
        if -LARGEST_S < stamps[i] < LARGEST_S:
            out[i] = np.int64(np.rint(stamps[i] * 1e6))
        else:
            out[i] = INVALID_US
