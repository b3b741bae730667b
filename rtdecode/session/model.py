"""What a session is, wherever it came from.

Times are int64 microseconds from the session's own zero. Spikes are kept unit
by unit, each unit's in order of time, the way they are stored on disk; the
order of time across units is made when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rtdecode.session.time_order import merge_by_time

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Units:
    """The sorted units of a session, one row each.

    Attributes
    ----------
    ids : (units,) int64
        Distinct ids, as on the wire and in a bundle.
    areas : (units,) str
        Area acronym (``VISp``), empty where unknown.
    depths_um : (units,) float64
        Height along the probe (probe_vertical_position), NaN where unknown.
    probes : (units,) str
        Probe name or id, empty where unknown.
    metrics : dict of str to (units,) float64
        Quality metrics and waveform measures by Allen's names.
    """

    ids: Int64Array
    areas: NDArray[np.str_]
    depths_um: NDArray[np.float64]
    probes: NDArray[np.str_]
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def joined(cls, tables: Sequence[Units]) -> Units:
        """The units of several tables, table after table, without metrics."""
        return cls(
            np.concatenate([table.ids for table in tables]),
            np.concatenate([table.areas for table in tables]),
            np.concatenate([table.depths_um for table in tables]),
            np.concatenate([table.probes for table in tables]),
        )

    def take(self, rows: Int64Array) -> Units:
        """The units of these rows, in the order given."""
        return Units(
            self.ids[rows],
            self.areas[rows],
            self.depths_um[rows],
            self.probes[rows],
            {name: values[rows] for name, values in self.metrics.items()},
        )


@dataclass(frozen=True, eq=False)
class Presentations:
    """The presentations of one stimulus table, in order of onset.

    Attributes
    ----------
    name : str
        The table's name without ``_presentations`` (``drifting_gratings``).
    start_us, stop_us : (n,) int64
        Onset and end, microseconds of the session.
    columns : dict of str to (n,) float64 or str
        Every other column. ``'null'`` is read as NaN in a column of numbers
        and as an empty string in a column of words.
    """

    name: str
    start_us: Int64Array
    stop_us: Int64Array
    columns: Mapping[str, NDArray[np.float64] | NDArray[np.str_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start_us)

    def take(self, rows: Int64Array | BoolArray) -> Presentations:
        """The presentations of these rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(
            self,
            start_us=self.start_us[rows],
            stop_us=self.stop_us[rows],
            columns=columns,
        )


@dataclass(frozen=True, eq=False)
class Running:
    """Running speed: (n,) int64 microseconds and (n,) float64 cm/s."""

    times_us: Int64Array
    speed_cm_s: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Session:
    """Spikes, units and presentations of one recording.

    Attributes
    ----------
    name : str
        Session id or file stem.
    units : Units
    spike_times_us : (spikes,) int64
        Unit after unit in the order of ``units``; sorted within a unit.
    spike_offsets : (units + 1,) int64
        Unit ``u`` owns ``spike_times_us[spike_offsets[u]:spike_offsets[u + 1]]``.
    presentations : dict of str to Presentations
        By table name, rows that touch an invalid interval left out.
    invalid_us : (intervals, 2) int64
        Start and stop of stretches the recording itself calls invalid.
    invalid_presentations : int
        How many rows were left out for them.
    running : Running or None
    simulated : bool
        Whether the file says that its data are simulated.
    """

    name: str
    units: Units
    spike_times_us: Int64Array
    spike_offsets: Int64Array
    presentations: Mapping[str, Presentations]
    invalid_us: Int64Array = field(default_factory=lambda: np.empty((0, 2), np.int64))
    invalid_presentations: int = 0
    running: Running | None = None
    simulated: bool = False

    def spikes_of(self, row: int) -> Int64Array:
        """Spike times of the unit in this row, (spikes,) int64 microseconds."""
        return self.spike_times_us[self.spike_offsets[row] : self.spike_offsets[row + 1]]

    def take_units(self, rows: Int64Array) -> Session:
        """The same session with these units alone, in the order given."""
        spikes = [self.spikes_of(int(row)) for row in rows]
        sizes = np.array([len(times) for times in spikes], np.int64)
        times = np.concatenate(spikes) if spikes else np.empty(0, np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        return replace(
            self,
            units=self.units.take(rows),
            spike_times_us=times,
            spike_offsets=offsets,
        )

    def in_time_order(self) -> tuple[Int64Array, NDArray[np.int32]]:
        """All spikes in order of time.

        Returns
        -------
        times_us : (spikes,) int64
        rows : (spikes,) int32
            Row of the unit in ``units``. Equal times stand in order of row.
        """
        return merge_by_time(self.spike_times_us, self.spike_offsets)
