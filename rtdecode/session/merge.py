"""Several probes of one session, sorted apart, as one session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.columns import FloatArray, StrArray
from rtdecode.session.model import Int64Array, Presentations, Session, Units
from rtdecode.session.unit_table import LARGEST_ID

# Unit 37 of the third probe is 200037.
STRIDE = 100_000


def merge_probes(sessions: Sequence[Session]) -> Session:
    """Join probes that were recorded at once, on one clock.

    Where ids repeat, the probes after the first get theirs raised by 100,000
    each (by more where clusters have larger ids). Presentations may come from
    one of them.

    Raises
    ------
    UserError
        If two have a stimulus table of the same name, or ids run out.
    """
    first, *others = sessions
    if not others:
        return first
    sizes = [np.diff(session.spike_offsets) for session in sessions]
    return replace(
        first,
        units=_join_units(sessions),
        spike_times_us=np.concatenate([session.spike_times_us for session in sessions]),
        spike_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))]),
        presentations=_join_presentations(sessions),
        invalid_us=np.concatenate([session.invalid_us for session in sessions]),
        invalid_presentations=sum(session.invalid_presentations for session in sessions),
        running=next((s.running for s in sessions if s.running is not None), None),
        simulated=any(session.simulated for session in sessions),
    )


def _join_units(sessions: Sequence[Session]) -> Units:
    tables = [session.units for session in sessions]
    names = sorted({name for table in tables for name in table.metrics})
    return Units(
        distinct_ids([table.ids for table in tables]),
        np.concatenate([table.areas for table in tables]),
        np.concatenate([table.depths_um for table in tables]),
        _probe_names(tables),
        {name: np.concatenate([_metric(table, name) for table in tables]) for name in names},
    )


def _metric(units: Units, name: str) -> FloatArray:
    return units.metrics.get(name, np.full(len(units), np.nan))


def distinct_ids(ids: Sequence[Int64Array]) -> Int64Array:
    """Join the unit ids of several probes so that none repeats.

    Raises
    ------
    UserError
        If they no longer fit the int32 in which ids travel.
    """
    joined = np.concatenate(ids)
    if len(np.unique(joined)) == len(joined):
        return joined
    stride = STRIDE
    while stride <= joined.max():
        stride *= 10
    raised: Int64Array = np.concatenate([probe + stride * place for place, probe in enumerate(ids)])
    if raised.max() > LARGEST_ID:
        raise UserError(
            f"expected unit ids up to {LARGEST_ID} after joining {len(ids)} probes; found "
            f"{raised.max()}: renumber the units"
        )
    return raised


def _probe_names(tables: Sequence[Units]) -> StrArray:
    names = [set(table.probes.tolist()) for table in tables]
    if sum(map(len, names)) == len(set().union(*names)):
        return np.concatenate([table.probes for table in tables])
    return np.concatenate(
        [np.char.add(table.probes, f"-{place}") for place, table in enumerate(tables)]
    )


def _join_presentations(sessions: Sequence[Session]) -> dict[str, Presentations]:
    joined: dict[str, Presentations] = {}
    for session in sessions:
        for name, table in session.presentations.items():
            if name in joined:
                raise UserError(
                    f"expected one table {name} in all probes of a session; found two: "
                    "leave it in one of them"
                )
            joined[name] = table
    return joined
