"""How often a publisher was connected to: what it sends in between, nobody hears."""

from __future__ import annotations

import zmq
from zmq.utils.monitor import recv_monitor_message


class Connections:
    """Counts the connections of a ZeroMQ socket.

    Parameters
    ----------
    socket : zmq.Socket
        Connects to one publisher, and again whenever it loses it.

    Attributes
    ----------
    number : int
        So far; 1 where none was lost.
    """

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._told = 1
        self.number = 0

    def news(self) -> str:
        """What is to be said since the last look; empty if nothing."""
        while self._events.poll(0):
            recv_monitor_message(self._events, zmq.NOBLOCK)
            self.number += 1
        if self.number <= self._told:
            return ""
        self._told = self.number
        return "connected again: what was sent in between is lost"
