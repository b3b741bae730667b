"""Recorded sessions: spikes, units and stimulus presentations."""

from rtdecode.session.model import Presentations, Running, Session, Units

__all__ = ["Presentations", "Running", "Session", "Units"]
