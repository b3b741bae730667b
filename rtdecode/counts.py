"""A session's spike counts about its onsets, through the kernel that decodes live."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.binning import bin_window
from rtdecode.session.model import Session
from rtdecode.windows import WindowSpec


def count_windows(
    times_us: NDArray[np.int64],
    unit_rows: NDArray[np.int32],
    onsets_us: NDArray[np.int64],
    spec: WindowSpec,
    n_units: int,
) -> NDArray[np.uint16]:
    """Counts of every window.

    Parameters
    ----------
    times_us : (spikes,) int64
        Sorted, microseconds.
    unit_rows : (spikes,) int32
        Column of each spike's unit, -1 for a unit that does not count.
    onsets_us : (windows,) int64
        Stimulus onsets, in any order.
    spec : WindowSpec
    n_units : int

    Returns
    -------
    (windows, bins, units) uint16
    """
    counts = np.empty((len(onsets_us), spec.n_bins, n_units), np.uint16)
    for start_us, window in zip(spec.starts(onsets_us).tolist(), counts, strict=True):
        bin_window(times_us, unit_rows, start_us, spec.bin_us, window)
    return counts


def count_session(
    session: Session, onsets_us: NDArray[np.int64], spec: WindowSpec
) -> NDArray[np.uint16]:
    """Counts of a session's units in their own order, (windows, bins, units) uint16."""
    times_us, rows = session.in_time_order()
    return count_windows(times_us, rows, onsets_us, spec, len(session.units))
