"""First-spike latency after a flash, as in Siegle et al. 2021.

For each trial the first spike later than 30 ms after onset; trials without one
within 250 ms are left out; a unit's latency is the median over its trials.
Here a unit counts if its flash response (30 to 130 ms, mean over trials) is
clearly above its activity before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.session import Session

AFTER_US, UNTIL_US = 30_000, 250_000
RESPONSE_US = 100_000
LEAST_TRIALS = 20
LEAST_Z = 3.0


def first_spike_latencies_ms(
    session: Session, onsets_us: NDArray[np.int64]
) -> dict[str, list[float]]:
    """Latency of every unit that answers the flash, milliseconds, by area."""
    latencies: dict[str, list[float]] = {}
    for row, area in enumerate(session.units.areas.tolist()):
        times = session.spikes_of(row)
        if not _answers(times, onsets_us):
            continue
        delays = _first_delays(times, onsets_us)
        if len(delays) >= LEAST_TRIALS:
            latencies.setdefault(area, []).append(float(np.median(delays)) / 1000)
    return latencies


def _first_delays(times: NDArray[np.int64], onsets: NDArray[np.int64]) -> NDArray[np.int64]:
    first = np.searchsorted(times, onsets + AFTER_US)
    there = first < len(times)
    delays = times[first[there]] - onsets[there]
    return delays[delays < UNTIL_US]


def _answers(times: NDArray[np.int64], onsets: NDArray[np.int64]) -> bool:
    def counts(start: int) -> NDArray[np.int64]:
        edges = np.searchsorted(times, [onsets + start, onsets + start + RESPONSE_US])
        return np.asarray(edges[1] - edges[0])

    before, after = counts(-RESPONSE_US), counts(AFTER_US)
    spread = np.sqrt((before.var() + after.var()) / len(onsets))
    return bool(after.mean() - before.mean() > LEAST_Z * spread > 0)
