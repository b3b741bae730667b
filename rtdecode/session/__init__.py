"""Recorded sessions: spikes, units and stimulus presentations."""

from rtdecode.session.events import read_events
from rtdecode.session.model import Presentations, Running, Session, Units
from rtdecode.session.quality import QualityFilter
from rtdecode.session.read import open_session, read_session
from rtdecode.session.write import write_session

__all__ = [
    "Presentations",
    "QualityFilter",
    "Running",
    "Session",
    "Units",
    "open_session",
    "read_events",
    "read_session",
    "write_session",
]
