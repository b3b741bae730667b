"""What the kernels do, written plainly in NumPy and Python sets."""

import numpy as np


def bin_window(times_us, rows, start_us, bin_us, n_bins, n_units):
    """Counts (bins, units) of one window by plain arithmetic."""
    rows = np.asarray(rows, np.int64)
    bins = (np.asarray(times_us, np.int64) - start_us) // bin_us
    inside = (bins >= 0) & (bins < n_bins) & (rows >= 0)
    counts = np.zeros((n_bins, n_units), np.uint16)
    np.add.at(counts, (bins[inside], rows[inside]), 1)
    return counts


def tally_in_order(unit_ids, spike_rows, closed_us, latest_us):
    """Kinds of rows that arrive in order of sequence, no window closing meanwhile.

    ``spike_rows`` are (unit id, microseconds); a duplicate is looked for among
    all spikes kept so far.
    """
    kept, kinds = set(), dict.fromkeys(("on_time", "late", "duplicate", "unknown", "malformed"), 0)
    for unit_id, time_us in spike_rows:
        if time_us is None or time_us > latest_us or unit_id < -1:
            kinds["malformed"] += 1
        elif unit_id == -1:
            continue
        elif unit_id not in unit_ids:
            kinds["unknown"] += 1
        elif (unit_id, time_us) in kept:
            kinds["duplicate"] += 1
        elif time_us < closed_us:
            kinds["late"] += 1
        else:
            kinds["on_time"] += 1
            kept.add((unit_id, time_us))
    return kinds, kept
