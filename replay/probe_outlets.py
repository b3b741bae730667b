"""A session's spikes as several streams, one a probe."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.session.model import Units


class ProbeOutlets:
    """Sends each probe's spikes on a stream of its own, watermarks on all; as ``SpikeOutlet``.

    Parameters
    ----------
    units : Units
        Each stream's description holds its probe's.
    name : str
        The streams are called ``name-probe``.
    replay : mapping
        What a replay says of itself.
    """

    def __init__(self, units: Units, name: str, replay: Mapping[str, object]) -> None:
        self._ids, self._outlets = [], []
        for probe in np.unique(units.probes).tolist():
            own = units.take(np.flatnonzero(units.probes == probe))
            self._ids.append(own.ids)
            outlet = streams.SpikeOutlet(own, f"{name}-{probe}" if probe else name, replay=replay)
            self._outlets.append(outlet)

    def push(self, unit_ids: NDArray[np.int32], times_us: NDArray[np.int64]) -> None:
        """Send rows, each to its probe's stream; see ``SpikeOutlet.push``."""
        for own, outlet in zip(self._ids, self._outlets, strict=True):
            mine = np.isin(unit_ids, own) | (unit_ids == streams.WATERMARK)
            outlet.push(unit_ids[mine], times_us[mine])

    def has_consumers(self) -> bool:
        """Whether somebody listens to every stream."""
        return all(outlet.has_consumers() for outlet in self._outlets)
