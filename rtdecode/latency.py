"""How long each stage takes: rolling samples and their percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

STAGES = ("wire_in", "wait", "bin", "infer", "wire_out", "total", "trigger")
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


def percentiles(values: Iterable[float], digits: int = 4) -> dict[str, float]:
    """``p50 p95 p99 p99.9 max`` of some values; empty without values."""
    samples = values if isinstance(values, np.ndarray) else np.fromiter(values, np.float64)
    if not samples.size:
        return {}
    found = np.percentile(samples, list(PERCENTILES.values()))
    return {
        name: round(float(value), digits) for name, value in zip(PERCENTILES, found, strict=True)
    }


class LatencyLog:
    """The stages of the last ``keep`` windows, milliseconds.

    ``wait`` is from a window's end to the stamp of the row that closed it,
    ``wire_in`` from that stamp to its arrival in the ring, ``wire_out`` the
    handing over to LSL, ``total`` from the window's end to there; ``trigger`` is
    from the model's answer to the last output of a trigger, where one fired.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._samples: dict[str, NDArray[np.float64]] = {stage: np.zeros(keep) for stage in STAGES}
        self._added = dict.fromkeys(STAGES, 0)

    def add(self, stages_ms: Mapping[str, float]) -> None:
        """Keep one window's stages."""
        for stage, value in stages_ms.items():
            kept = self._samples[stage]
            kept[self._added[stage] % len(kept)] = value
            self._added[stage] += 1

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles by stage, milliseconds."""
        return {
            stage: percentiles(kept[: self._added[stage]])
            for stage, kept in self._samples.items()
            if self._added[stage]
        }
