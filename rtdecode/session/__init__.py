"""Recorded sessions: spikes, units and stimulus presentations."""

from rtdecode.session.model import Presentations, Running, Session, Units
from rtdecode.session.quality import QualityFilter
from rtdecode.session.read import read_session

__all__ = [
    "Presentations",
    "QualityFilter",
    "Running",
    "Session",
    "Units",
    "read_session",
]
