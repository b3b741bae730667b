"""The streams that a decoder listens to: looked for, checked, opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.count_inlet import CountRows
from rtdecode.errors import UserError
from rtdecode.session.model import Units
from rtdecode.speeds import told_speed

ALL = "all"
# A probe's sender may be started this long after the first one's.
GATHER_S = 15.0


def wait_for(
    name: str,
    form: streams.Format,
    look_s: float,
    goes_on: Callable[[], bool],
    suffices: Callable[[Sequence[streams.Found]], bool] = lambda found: True,
) -> list[streams.Found]:
    """The stream of this name, or the only one of this form, as soon as it is there.

    Parameters
    ----------
    name : str
        Empty for the only one of the form; ``all`` for every one of it: as soon as they
        suffice, or all that come soon after the first.
    form : Format
    look_s : float
        How long each look lasts, seconds.
    goes_on : callable
        Asked before every look whether to go on; none is the answer where not.
    suffices : callable
        Whether these of ``all`` are enough.
    """
    if name == ALL:
        return _wait_for_all(form, look_s, goes_on, suffices)
    lookout = streams.Lookout(name, form)
    while goes_on():
        if (found := lookout.wait(look_s)) is not None:
            return [found]
    return []


def _wait_for_all(
    form: streams.Format,
    look_s: float,
    goes_on: Callable[[], bool],
    suffices: Callable[[Sequence[streams.Found]], bool],
) -> list[streams.Found]:
    lookout = streams.Lookout("", form)
    first_s = None
    while goes_on():
        if not (found := lookout.wait_all(look_s)):
            continue
        first_s = first_s or time.monotonic()
        if suffices(found) or time.monotonic() > first_s + GATHER_S:
            return found
    return []


def lack_of_units(found: Sequence[streams.Found], unit_ids: Sequence[int]) -> str:
    """Which units streams lack, in words; empty where none, or one does not tell its own."""
    told = [_inlet_of(stream).units().ids.tolist() for stream in found]
    missing = set(unit_ids).difference(*told)
    # Streams that tell the same unit are refused, so nothing more is to wait for.
    alike = sum(map(len, told)) > len(set().union(*told))
    if not missing or alike or not all(told):
        return ""
    names = ", ".join(stream.name for stream in found)
    return f"{len(unit_ids) - len(missing)} of the bundle's {len(unit_ids)} units are in {names}"


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


def heard_speed(inlet: RowInlet, tell: Callable[[str], None]) -> float:
    """How fast a replay runs, by what its stream says; the wall clock's, and told, if it cannot be.

    Parameters
    ----------
    inlet : SpikeInlet or CountRows
    tell : callable
        Given a line for the log.
    """
    replay = inlet.replay()
    speed = told_speed(replay)
    if speed is None:
        tell(
            f"{inlet.stream} says it is replayed at speed {replay['speed']!r}, which is no number "
            "above 0: its stamps are taken for the wall clock's; mend its description"
        )
    return speed or 1.0


def open_stimuli(found: streams.Found) -> streams.TextInlet:
    """Start to receive markers."""
    inlet = streams.TextInlet(found)
    inlet.open()
    return inlet
