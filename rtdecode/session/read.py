"""Read a session from wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.events import read_events
from rtdecode.session.merge import merge_probes
from rtdecode.session.model import Session
from rtdecode.session.nwb import read_nwb
from rtdecode.session.phy import is_phy, read_phy
from rtdecode.session.quality import QualityFilter, keep_units

DEFAULT_QUALITY = QualityFilter()
# In a Phy folder, the events of its session.
EVENTS_FILE = "events.csv"


def read_session(
    path: str | Path,
    *,
    quality: QualityFilter | None = DEFAULT_QUALITY,
    areas: Sequence[str] = (),
) -> Session:
    """Read a session by path, without changing anything there.

    Parameters
    ----------
    path : str or Path
        An NWB file, or a Phy or Kilosort folder (with its ``events.csv``,
        where it has one).
    quality : QualityFilter or None
        Which units to keep; Allen's default filter if not given, every unit if
        ``None``.
    areas : sequence of str
        Keep units of these areas alone; all if empty.

    Returns
    -------
    Session

    Raises
    ------
    UserError
        If there is no session at the path, or no unit is left.
    """
    return open_session([path], quality=quality, areas=areas)


def open_session(
    paths: Sequence[str | Path],
    *,
    events: str | Path | None = None,
    quality: QualityFilter | None = DEFAULT_QUALITY,
    areas: Sequence[str] = (),
) -> Session:
    """Read a session that lies in several places: probes, and a table of events.

    Parameters
    ----------
    paths : sequence of str or Path
        NWB files and Phy or Kilosort folders, one a probe, on one clock.
    events : str or Path, optional
        CSV table of events (see ``read_events``).
    quality, areas
        As for ``read_session``.

    Raises
    ------
    UserError
        If there is no session at a path, the parts do not fit, or no unit is left.
    """
    kept = quality or QualityFilter.off()
    places = [Path(path) for path in paths]
    if len(places) == 1 and not places[0].is_dir():
        session = read_nwb(places[0], kept, areas)
    else:
        probes = [_read_all(place, with_events=events is None) for place in places]
        session = take_kept(merge_probes(probes), kept, areas)
    return session if events is None else add_events(session, events)


def take_kept(session: Session, quality: QualityFilter, areas: Sequence[str] = ()) -> Session:
    """Return the session with the units that pass alone.

    Raises
    ------
    UserError
        If no unit is left.
    """
    kept = keep_units(session.units, quality, areas)
    return session if kept.all() else session.take_units(np.flatnonzero(kept))


def add_events(session: Session, path: str | Path) -> Session:
    """Return the session with the table ``events``, in place of one it may have."""
    table = read_events(path)
    return replace(session, presentations={**session.presentations, table.name: table})


def _read_all(place: Path, *, with_events: bool) -> Session:
    """Every unit of one place."""
    if not place.is_dir():
        return read_nwb(place, QualityFilter.off())
    if not is_phy(place):
        raise UserError(
            f"expected an NWB file or a folder with spike_times.npy, spike_clusters.npy and "
            f"params.py; {place} is a folder without: check the path"
        )
    session = read_phy(place)
    events = place / EVENTS_FILE
    return add_events(session, events) if with_events and events.is_file() else session
