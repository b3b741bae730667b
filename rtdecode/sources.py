"""The streams that a decoder listens to: looked for, checked, opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.count_inlet import CountRows
from rtdecode.errors import UserError
from rtdecode.session.model import Units

ALL = "all"


def wait_for(
    name: str, form: streams.Format, look_s: float, goes_on: Callable[[], bool]
) -> list[streams.Found]:
    """The stream of this name or form as soon as it is there.

    Parameters
    ----------
    name : str
        Empty for the only one of the form; ``all`` for every one of it.
    form : Format
    look_s : float
        How long each look lasts, seconds.
    goes_on : callable
        Asked before every look whether to go on; none is the answer where not.
    """
    lookout = streams.Lookout("" if name == ALL else name, form)
    while goes_on():
        if name == ALL:
            found = lookout.wait_all(look_s)
        else:
            one = lookout.wait(look_s)
            found = [] if one is None else [one]
        if found:
            return found
    return []


def sought(name: str, form: streams.Format) -> str:
    """What is waited for, in words."""
    if name == ALL:
        return f"streams of type {form.kind}"
    return f"a stream {name or 'of type ' + form.kind}"


RowInlet = streams.SpikeInlet | CountRows


def open_rows(
    found: Sequence[streams.Found], check: Callable[[Units | None], None]
) -> list[RowInlet]:
    """Start to receive spikes and counts, of one stream or several.

    Parameters
    ----------
    found : sequence of Found
    check : callable
        Given the units of all, stream after stream, before any is opened; None
        where one does not tell its own. What it raises ends it.

    Raises
    ------
    UserError
        If two tell the same unit, or counts are not of a kind that can be.
    """
    inlets = [_inlet_of(stream) for stream in found]
    units = [inlet.units() for inlet in inlets]
    _check_distinct(found, [table.ids for table in units])
    check(Units.joined(units) if all(map(len, units)) else None)
    for inlet in inlets:
        inlet.open()
    return inlets


def _inlet_of(stream: streams.Found) -> RowInlet:
    is_spikes = stream.kind == streams.SPIKE_FORMAT.kind
    return streams.SpikeInlet(stream) if is_spikes else CountRows(stream)


def _check_distinct(found: Sequence[streams.Found], units: Sequence[NDArray[np.int64]]) -> None:
    owner: dict[int, streams.Found] = {}
    for stream, ids in zip(found, units, strict=True):
        for unit_id in ids.tolist():
            if unit_id in owner:
                raise UserError(
                    f"expected every unit in one spike stream, found unit {unit_id} in "
                    f"{owner[unit_id]} and in {stream}: give the probes' units ids that differ, "
                    "or name one of the two"
                )
            owner[unit_id] = stream


def open_stimuli(found: streams.Found) -> streams.TextInlet:
    """Start to receive markers."""
    inlet = streams.TextInlet(found)
    inlet.open()
    return inlet
