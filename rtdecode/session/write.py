"""Write a session as NWB, so that any reader of NWB has it and ours reads it back equal."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.files import check_writable, written_whole
from rtdecode.session.columns import Column
from rtdecode.session.interval_table import INVALID
from rtdecode.session.model import Int64Array, Presentations, Session, Units
from rtdecode.session.quality import GOOD
from rtdecode.session.spikes import US_PER_S

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.epoch import TimeIntervals

# NWB asks for a start; this one stands for "not known".
UNKNOWN_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def write_session(
    session: Session,
    path: str | Path,
    *,
    force: bool = False,
    start: datetime.datetime = UNKNOWN_START,
) -> None:
    """Write a session as an NWB file.

    The file appears under its name only when it is whole.

    Parameters
    ----------
    session : Session
    path : str or Path
        The file to write.
    force : bool
        Whether a file that is there may be replaced.
    start : datetime
        When the session's zero was.

    Raises
    ------
    UserError
        If the file is there and ``force`` is not given, its folder is not, or
        pynwb is not installed.
    """
    path = Path(path)
    check_writable(path, force)
    try:
        from pynwb import NWBHDF5IO
    except ImportError:
        raise UserError("writing NWB needs pynwb: pip install 'rtdecode[nwb]'") from None
    with written_whole(path) as half, NWBHDF5IO(str(half), "w") as file:
        file.write(nwb_file(session, start))


def nwb_file(session: Session, start: datetime.datetime) -> NWBFile:
    """Give a session as pynwb's object, to be added to and written."""
    from pynwb import NWBFile, ProcessingModule, TimeSeries

    kind = "Simulated" if session.simulated else "Recorded"
    file = NWBFile(
        session_description=f"{kind} session, written by rtdecode",
        identifier=str(uuid.uuid4()),
        session_id=session.name,
        session_start_time=start,
    )
    file.units = _units(session)
    for table in session.presentations.values():
        file.add_time_intervals(_intervals(table))
    if len(session.invalid_us):
        invalid = Presentations(INVALID, session.invalid_us[:, 0], session.invalid_us[:, 1])
        file.invalid_times = _intervals(invalid, INVALID)
    if session.running is not None:
        speed = TimeSeries(
            name="running_speed",
            data=session.running.speed_cm_s,
            timestamps=_seconds(session.running.times_us),
            unit="cm/s",
        )
        file.add_processing_module(
            ProcessingModule(name="running", description="running speed", data_interfaces=[speed])
        )
    return file


def _seconds(times_us: Int64Array) -> NDArray[np.float64]:
    return times_us / US_PER_S


def _units(session: Session) -> Any:
    from hdmf.common import VectorData, VectorIndex
    from pynwb.misc import Units as NwbUnits

    spikes = VectorData(
        name="spike_times",
        description="spike times in seconds, unit after unit",
        data=_seconds(session.spike_times_us),
    )
    ends = VectorIndex(name="spike_times_index", data=session.spike_offsets[1:], target=spikes)
    columns = [_vector(name, column) for name, column in unit_columns(session.units).items()]
    return NwbUnits(
        name="units",
        description="sorted units",
        id=session.units.ids,
        columns=[spikes, ends, *columns],
    )


def unit_columns(units: Units) -> dict[str, Column]:
    """Give the columns of a unit table by the names that the reader looks for."""
    columns: dict[str, Column] = {}
    if (units.areas != "").any():
        columns["location"] = np.where(units.areas == "", "unknown", units.areas).astype(np.str_)
    if (units.probes != "").any():
        columns["probe"] = units.probes
    if not np.isnan(units.depths_um).all():
        columns["probe_vertical_position"] = units.depths_um
    for name, values in units.metrics.items():
        if name == GOOD:
            words = np.where(values == 1, "good", np.where(values == 0, "noise", ""))
            columns["quality"] = words.astype(np.str_)
        elif name not in columns:
            columns[name] = values
    return columns


def _vector(name: str, column: Column) -> Any:
    from hdmf.common import VectorData

    # As an array even where it is empty: pynwb finds no type in an empty list.
    return VectorData(name=name, description=name.replace("_", " "), data=column)


def _intervals(table: Presentations, name: str = "") -> TimeIntervals:
    from pynwb.epoch import TimeIntervals

    times = {"start_time": _seconds(table.start_us), "stop_time": _seconds(table.stop_us)}
    columns: dict[str, Column] = {**times, **table.columns}
    return TimeIntervals(
        name=name or f"{table.name}_presentations",
        description=f"presentations of {table.name}",
        id=np.arange(len(table)),
        columns=[_vector(column, values) for column, values in columns.items()],
    )
