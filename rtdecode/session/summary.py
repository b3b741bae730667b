"""What a session holds, in numbers: areas, units, rates, stimuli, blocks, gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtdecode.microseconds import US_PER_S
from rtdecode.session.columns import FloatArray, StrArray
from rtdecode.session.model import BoolArray, Int64Array, Presentations, Session
from rtdecode.session.quality import QualityFilter
from rtdecode.session.silence import silences

BLOCK_COLUMN = "stimulus_block"
# Presentations of a session without blocks belong together up to such a pause.
BLOCK_PAUSE_US = 10 * US_PER_S
# With hundreds of units a second without any spike is a fault of the recording.
SILENCE_US = US_PER_S
NO_AREA = "(no area)"


@dataclass(frozen=True)
class AreaSummary:
    """Units of one area: all, those that pass the filter, and the rates of these in Hz."""

    area: str
    units: int
    kept: int
    rates_hz: FloatArray

    def rate_quartiles(self) -> tuple[float, float, float] | None:
        """Quartiles of the kept units' rates, Hz; None without units."""
        if not len(self.rates_hz):
            return None
        low, middle, high = np.quantile(self.rates_hz, (0.25, 0.5, 0.75))
        return float(low), float(middle), float(high)


@dataclass(frozen=True)
class StimulusSummary:
    """One stimulus table: presentations, and its blocks as (blocks, 2) int64 microseconds."""

    name: str
    presentations: int
    blocks_us: Int64Array
    duration_us: float
    interval_us: float


@dataclass(frozen=True)
class Summary:
    """What a session holds.

    Attributes
    ----------
    session : Session
        With every unit.
    kept : (units,) bool
        Which units pass the quality filter.
    filtered : str
        The filter, in words.
    rates_hz : (units,) float64
        Spikes of each unit by the session's duration.
    areas : list of AreaSummary
        By number of units, units without an area last.
    stimuli : list of StimulusSummary
        By first onset.
    pauses_us : (n, 2) int64
        Stretches of ten seconds or more in which nothing was presented.
    silences_us : (n, 2) int64
        Stretches of a second or more in which no unit fired.
    """

    session: Session
    kept: BoolArray
    filtered: str
    start_us: int
    stop_us: int
    rates_hz: FloatArray
    areas: list[AreaSummary]
    stimuli: list[StimulusSummary]
    pauses_us: Int64Array
    silences_us: Int64Array

    @property
    def duration_s(self) -> float:
        """From the first spike or presentation to the last, seconds."""
        return (self.stop_us - self.start_us) / US_PER_S

    @property
    def spikes(self) -> Int64Array:
        """Spikes of each unit, (units,) int64."""
        return np.diff(self.session.spike_offsets)

    @property
    def area_of_units(self) -> StrArray:
        """Area of each unit as the summary names it, (units,) str."""
        areas = self.session.units.areas
        return np.where(areas == "", NO_AREA, areas).astype(np.str_)

    def figures(self) -> dict[str, object]:
        """Give the figures by name, ready for JSON."""
        return {
            "units": len(self.kept),
            "units_after_filter": int(self.kept.sum()),
            "areas": {area.area: area.kept for area in self.areas if area.area != NO_AREA},
            "spikes": int(self.spikes.sum()),
            "spikes_after_filter": int(self.spikes[self.kept].sum()),
            "presentations": {table.name: table.presentations for table in self.stimuli},
            "invalid_presentations": self.session.invalid_presentations,
            "duration_s": self.duration_s,
        }


def summarize(session: Session, quality: QualityFilter) -> Summary:
    """Sum up a session that was read with every unit.

    Parameters
    ----------
    session : Session
    quality : QualityFilter
        Counted as the filter; ``QualityFilter.off()`` keeps every unit.
    """
    kept = quality.keeps(session.units)
    start_us, stop_us = _extent(session)
    rates_hz = np.diff(session.spike_offsets) * (US_PER_S / max(stop_us - start_us, 1))
    tables = sorted(session.presentations.values(), key=lambda table: table.start_us[:1].tolist())
    return Summary(
        session,
        kept,
        str(quality),
        start_us,
        stop_us,
        rates_hz,
        _areas(session.units.areas, kept, rates_hz),
        [_stimulus(table) for table in tables],
        _pauses(tables),
        silences(session, SILENCE_US),
    )


def _extent(session: Session) -> tuple[int, int]:
    """First and last moment of spikes and presentations."""
    firing = np.flatnonzero(np.diff(session.spike_offsets))
    tables = session.presentations.values()
    starts = [session.spike_times_us[session.spike_offsets[firing]]]
    stops = [session.spike_times_us[session.spike_offsets[firing + 1] - 1]]
    starts += [table.start_us for table in tables]
    stops += [table.stop_us for table in tables]
    if not any(map(len, starts)):
        return 0, 0
    return int(np.concatenate(starts).min()), int(np.concatenate(stops).max())


def _areas(areas: StrArray, kept: BoolArray, rates_hz: FloatArray) -> list[AreaSummary]:
    summed = [
        AreaSummary(
            str(area) or NO_AREA,
            int((areas == area).sum()),
            int((kept & (areas == area)).sum()),
            rates_hz[kept & (areas == area)],
        )
        for area in np.unique(areas)
    ]
    return sorted(summed, key=lambda area: (area.area == NO_AREA, -area.units, area.area))


def _stimulus(table: Presentations) -> StimulusSummary:
    intervals = np.diff(table.start_us)
    return StimulusSummary(
        table.name,
        len(table),
        blocks(table),
        float(np.median(table.stop_us - table.start_us)) if len(table) else 0.0,
        float(np.median(intervals)) if len(intervals) else 0.0,
    )


def blocks(table: Presentations) -> Int64Array:
    """Find the blocks of a table: by its block column, else by pauses of ten seconds.

    Returns
    -------
    (blocks, 2) int64
        Start and end, microseconds.
    """
    if not len(table):
        return np.empty((0, 2), np.int64)
    column = table.columns.get(BLOCK_COLUMN)
    if column is not None and column.dtype.kind == "f" and not np.isnan(column).any():
        changes = np.flatnonzero(np.diff(column)) + 1
    else:
        pauses = table.start_us[1:] - np.maximum.accumulate(table.stop_us)[:-1]
        changes = np.flatnonzero(pauses >= BLOCK_PAUSE_US) + 1
    firsts = np.concatenate([[0], changes])
    return np.stack([table.start_us[firsts], np.maximum.reduceat(table.stop_us, firsts)], axis=1)


def _pauses(tables: list[Presentations]) -> Int64Array:
    """Stretches between presentations of any table that last ten seconds or more."""
    starts = np.concatenate([np.empty(0, np.int64), *(table.start_us for table in tables)])
    stops = np.concatenate([np.empty(0, np.int64), *(table.stop_us for table in tables)])
    order = np.argsort(starts, kind="stable")
    ends = np.maximum.accumulate(stops[order])[:-1]
    nexts = starts[order][1:]
    long = nexts - ends >= BLOCK_PAUSE_US
    return np.stack([ends[long], nexts[long]], axis=1)
