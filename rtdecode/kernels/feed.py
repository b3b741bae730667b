"""A recorded session's spikes as rows of the wire."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.ingest import SEQUENCE_MASK
from rtdecode.kernels.jit import kernel


@kernel
def fill_samples(
    ids: NDArray[np.int32],
    rows: NDArray[np.int32],
    low: int,
    high: int,
    sequence: int,
    samples: NDArray[np.int32],
) -> None:
    """Write unit id and sequence of the spikes ``range(low, high)``.

    Parameters
    ----------
    ids : (units,) int32
    rows : (spikes,) int32
        Row of each spike's unit.
    low, high : int
    sequence : int
        Of the first of them.
    samples : (>= high - low, 2) int32
    """
    for i in range(low, high):
        samples[i - low, 0] = ids[rows[i]]
        samples[i - low, 1] = (sequence + i - low) & SEQUENCE_MASK
