"""The bridge as a process: a ZeroMQ socket in, LSL streams out, until it is stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zmq
from rich.console import Console

from rtdecode import streams
from rtdecode.bridge.bursts import MARK, Bursts
from rtdecode.bridge.connections import Connections
from rtdecode.bridge.core import Bridge, BridgeSettings
from rtdecode.bridge.onset_labels import MarkerLabels, TrialOrder
from rtdecode.bridge.unit_ids import UnitIds
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.microseconds import US_PER_MS
from rtdecode.stop_signals import on_stop_signals

console = Console(stderr=True, emoji=False)
MOST_MESSAGES = 512  # read before their rows are sent on
WAIT_MS = 1
HEALTH_US = 500 * US_PER_MS
LOOK_S = 0.5
MAY_BE_LOST = (
    f"more than {MARK:,} messages came in a row, as many as the sender's queue holds: "
    "some may be lost"
)
WAITING, RECEIVING, SILENT, STOPPED = "WAITING", "RECEIVING", "SILENT", "STOPPED"


@dataclass(frozen=True)
class Endpoints:
    """Where messages come from and what goes out under which names.

    Attributes
    ----------
    address : str
        ZeroMQ address of the publisher.
    units : Path or None
        The table of unit ids.
    order : Path or None
        Labels of the onsets, one a line.
    labels_from : str
        Name of a marker stream that names the onsets instead.
    spikes, stimuli : str
        Names of the LSL streams that are sent.
    first_id : int
        Units that are not in the table are numbered from here.
    """

    address: str
    units: Path | None = None
    order: Path | None = None
    labels_from: str = ""
    spikes: str = streams.SPIKES
    stimuli: str = streams.STIMULI
    first_id: int = 1


def run_bridge(
    endpoints: Endpoints, settings: BridgeSettings, figures: Path | None, force: bool
) -> None:
    """Bridge until Ctrl-C or terminate.

    Raises
    ------
    UserError
        If the address, the table of units or the order of trials is not what it should be.
    """
    if figures is not None:
        check_writable(figures, force)
    running = _Running(endpoints, settings)
    with on_stop_signals(running.stop):
        running.run()
    said = running.told(streams.clock_us())
    if figures is not None:
        figures.write_text(json.dumps(said, indent=1) + "\n")
    seen, onsets = running.bridge.seen, running.bridge.onsets
    console.print(
        f"stopped: {seen['spikes']:,} spikes of {len(running.bridge.ids)} units, "
        f"{onsets['sent']:,} onsets, {seen['malformed'] + seen['strange']:,} malformed",
        highlight=False,
    )


class _Running:
    """A bridge with its socket and its outlets."""

    def __init__(self, endpoints: Endpoints, settings: BridgeSettings) -> None:
        self._stopping = False
        self._endpoints = endpoints
        self._socket = _connect(endpoints.address)
        self._connections = Connections(self._socket)
        ids = UnitIds(endpoints.units, endpoints.first_id)
        self._health = streams.TextOutlet(streams.BRIDGE)
        self._state = ""
        self._said_us = 0
        order = None if endpoints.order is None else TrialOrder.read(endpoints.order)
        self.bridge = Bridge(settings, ids, order)
        self.bursts = Bursts()
        self._restarts = 0

    def stop(self) -> None:
        """End after the round at hand."""
        self._stopping = True

    def run(self) -> None:
        """Read, send on, say how it goes."""
        if self._endpoints.labels_from:
            self._await_labels(self._endpoints.labels_from)
        if not self._stopping:
            self._open()
        while not self._stopping:
            messages = self._read()
            self._send(messages)
            now_us = streams.clock_us()
            if now_us - self._said_us >= HEALTH_US:
                self._look_after(now_us)
        self._enter(STOPPED, self._save_units())

    def _await_labels(self, name: str) -> None:
        """Hear the marker stream that names the onsets, as soon as it is there."""
        self._enter(WAITING, f"waiting for the marker stream {name}")
        lookout = streams.Lookout(name, streams.TEXT_FORMAT)
        while not self._stopping:
            if (found := lookout.wait(LOOK_S)) is not None:
                inlet = streams.TextInlet(found)
                inlet.open()
                self.bridge.labels = MarkerLabels(inlet)
                return
            self._tell(streams.clock_us())

    def _open(self) -> None:
        """Begin to hear messages, and make the streams that they become."""
        settings, endpoints = self.bridge.settings, self._endpoints
        units = self.bridge.ids.units(settings.stream)
        self._spikes = streams.SpikeOutlet(units, endpoints.spikes)
        has_onsets = settings.ttl_line is not None
        self._stimuli = streams.TextOutlet(endpoints.stimuli) if has_onsets else None
        # Not before: while a marker stream is waited for, messages would pile up and grow old.
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._enter(WAITING, f"waiting for messages from {endpoints.address}")

    def _read(self) -> list[list[bytes]]:
        """What is there, at most so much; waits a moment where nothing is."""
        messages: list[list[bytes]] = []
        if not self._socket.poll(WAIT_MS):
            self.bursts.look_in_vain()
            return messages
        try:
            while len(messages) < MOST_MESSAGES:
                messages.append(self._socket.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            pass
        self.bursts.add(len(messages))
        return messages

    def _send(self, messages: list[list[bytes]]) -> None:
        """The rows that messages are, then a watermark, then the onsets."""
        ids, times_us = self.bridge.take(messages, streams.clock_us())
        # A full read is not the last of what has come: its rows may not be all.
        more = len(messages) == MOST_MESSAGES
        mark_us = None if more else self.bridge.watermark_us(streams.clock_us())
        if mark_us is not None:
            ids = np.append(ids, np.int32(streams.WATERMARK))
            times_us = np.append(times_us, mark_us)
        if len(ids):
            self._spikes.push(ids, times_us)
        for text, onset_us in self.bridge.markers(streams.clock_us()):
            if self._stimuli is not None:
                self._stimuli.push(text, onset_us)

    def _look_after(self, now_us: int) -> None:
        bridge = self.bridge
        trouble = self._save_units()
        if bridge.restarts != self._restarts:
            self._restarts = bridge.restarts
            console.print("acquisition has started again: its clock is learned anew")
        if again := self._connections.news():
            console.print(again)
        silent = ", ".join(bridge.silent(now_us))
        if silent:
            self._enter(SILENT, f"no spikes from {silent}")
        elif any(source.spikes for source in bridge.sources.values()):
            self._enter(RECEIVING, trouble or (MAY_BE_LOST if self.bursts.over_mark else ""))
        self._tell(now_us)

    def _save_units(self) -> str:
        """Write new units down; what stands in the way, for spikes go on without."""
        try:
            self.bridge.ids.save()
        except UserError as error:
            return str(error)
        return ""

    def told(self, now_us: int) -> dict[str, object]:
        """What the health message says."""
        said: dict[str, object] = {"state": self._state, "message": self._message}
        said |= {"bursts": self.bursts.told(), "connections": self._connections.number}
        return said | self.bridge.told(now_us)

    def _enter(self, state: str, message: str = "") -> None:
        if (state, message) == (self._state, getattr(self, "_message", None)):
            return
        self._state, self._message = state, message
        console.print(f"{state.lower()}{': ' + message if message else ''}", highlight=False)
        self._tell(streams.clock_us())

    def _tell(self, now_us: int) -> None:
        self._health.push_json(self.told(now_us), now_us)
        self._said_us = now_us


def _connect(address: str) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    # ZeroMQ drops in silence what exceeds the mark; nothing is to be dropped on our side.
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.LINGER, 0)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise UserError(
            f"expected a host and a port to connect to, found {address} ({error}): "
            "give them, as --host 127.0.0.1 --port 5557"
        ) from error
    return socket
