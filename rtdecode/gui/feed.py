"""The inlets: looks for streams in the background and hands over what arrived, frame by frame.

Looking for streams and opening inlets block, so a thread does it; pulling does
not, so whoever draws pulls. The two meet in one queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.gui.finding import (
    BRIDGE,
    OF_DECODER,
    POSTERIOR,
    SPIKES,
    STIMULI,
    Source,
    decoders,
    newest,
    only,
    roles_of,
    spike_streams,
)
from rtdecode.gui.packets import Batch, DecoderInfo
from rtdecode.gui.pulling import Inlet, pull_into
from rtdecode.session.model import Units
from rtdecode.streams import Found, PosteriorInlet, SpikeInlet, TextInlet

#: One look at the network, seconds: liblsl asks known peers only after half a second, so a
#: shorter one misses streams. And the pause between two looks when all is connected.
LOOK_S, REST_S = 1.5, 2.0


@dataclass(frozen=True)
class Attached:
    """An inlet that is open, and what its stream says of itself; none where one is let go."""

    role: str
    inlet: Inlet | None
    says: Batch


class Feed:
    """Streams in, batches out.

    Parameters
    ----------
    wanted : str
        Name of the decoder to show, as `Source.name`; empty for the only one.
    take_first : bool
        With several decoders and none wanted, take the first instead of waiting to be told.
    """

    def __init__(self, wanted: str = "", *, take_first: bool = False) -> None:
        self.wanted, self.take_first = wanted, take_first
        self.found: list[Found] = []
        self.decoders: list[Source] = []
        self.message = ""
        self._told: tuple[str, ...] = ()
        self._inlets: dict[str, Inlet] = {}
        self._units: dict[str, Units] = {}
        self._queue: queue.SimpleQueue[Attached | BaseException] = queue.SimpleQueue()
        self._open: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="streams", daemon=True)

    def start(self) -> None:
        """Begin to look for streams."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and close the inlets."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        for inlet in self._inlets.values():
            inlet.close()

    def choose(self, name: str) -> None:
        """Show another decoder."""
        self.wanted = name

    def follow(self, told: tuple[str, ...]) -> None:
        """Show the spike streams that the decoder says it hears."""
        self._told = told

    # -- in the background -------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(REST_S if self._is_whole() else 0.0)
        except Exception as error:  # handed to whoever pulls, who raises it
            self._queue.put(error)
            raise

    def _is_whole(self) -> bool:
        """Whether all is connected that there has to be."""
        spikes = roles_of(self._told) if self._told else [SPIKES]
        return {*OF_DECODER, STIMULI, *spikes} <= self._open.keys()

    def _look(self) -> None:
        self.found = streams.streams_on_network(LOOK_S)
        self.decoders = decoders(self.found)
        chosen = self._chosen()
        wanted = dict(chosen.streams) if chosen else {}
        sources = self._sources()
        wanted |= {role: s for role, s in sources.items() if not self._still_there(role)}
        for role, stream in wanted.items():
            if self._open.get(role) != _identity(stream):
                self._attach(role, stream)

    def _sources(self) -> dict[str, Found]:
        """Streams that no decoder sends: spikes, markers, what a bridge tells of itself."""
        found, told = self.found, self._told
        sources = spike_streams(found, told)
        if told and sources:
            self._let_go_but(roles_of(told))
        stimuli = newest(found, streams.STIMULI, STIMULI) or only(found, STIMULI)
        others = {STIMULI: stimuli, BRIDGE: newest(found, streams.BRIDGE, BRIDGE)}
        return sources | {role: stream for role, stream in others.items() if stream is not None}

    def _let_go_but(self, roles: list[str]) -> None:
        """Hear no spikes any more but those of these roles."""
        for role in [role for role in self._open if role.startswith(SPIKES) and role not in roles]:
            del self._open[role]
            self._queue.put(Attached(role, None, Batch()))

    def _still_there(self, role: str) -> bool:
        """A second source of the same name takes over only once the first is gone."""
        return self._open.get(role) in {_identity(stream) for stream in self.found}

    def _chosen(self) -> Source | None:
        named = [source for source in self.decoders if source.name == self.wanted]
        if named:
            return max(named, key=lambda source: source.streams[POSTERIOR].created_at)
        only = len(self.decoders) == 1 or (self.take_first and self.decoders)
        return self.decoders[0] if only else None

    def _attach(self, role: str, stream: Found) -> None:
        try:
            attached = _attach(role, stream)
        except UserError as error:
            self.message = str(error)
            return
        self.message = ""
        if role == POSTERIOR:
            # The pulling side drops the inlets of the decoder before.
            for other in OF_DECODER:
                self._open.pop(other, None)
        self._open[role] = _identity(stream)
        self._queue.put(attached)

    # -- in the foreground -------------------------------------------------------------

    def pull(self) -> Batch:
        """All that has arrived since the last pull; never waits."""
        batch = self._attach_opened()
        for role, inlet in self._inlets.items():
            pull_into(batch, role, inlet)
        return batch

    def _attach_opened(self) -> Batch:
        batch = Batch()
        while not self._queue.empty():
            attached = self._queue.get()
            if isinstance(attached, BaseException):
                raise attached
            self._take(attached, batch)
        return batch

    def _take(self, attached: Attached, batch: Batch) -> None:
        """Put an inlet in the place of the one before; of several probes the units add up."""
        role, says = attached.role, attached.says
        for other in OF_DECODER if role == POSTERIOR else (role,):
            if before := self._inlets.pop(other, None):
                before.close()
        if role.startswith(SPIKES):
            self._units.pop(role, None)
        if attached.inlet is not None:
            self._inlets[role] = attached.inlet
        batch.decoder = says.decoder or batch.decoder
        if says.units is not None:
            self._units[role] = says.units
        if role.startswith(SPIKES) and self._units:
            batch.units = together(list(self._units.values()))


def together(tables: list[Units]) -> Units:
    """The units of several probes as one table."""
    columns = ("ids", "areas", "depths_um", "probes")
    return Units(*(np.concatenate([getattr(units, c) for units in tables]) for c in columns))


def _identity(stream: Found) -> str:
    """A restarted sender may keep its source id; liblsl then resumes by itself."""
    return f"{stream.name} {stream.host} {stream.source_id or stream.created_at}"


def _attach(role: str, stream: Found) -> Attached:
    makers: dict[str, Callable[[Found], Inlet]] = {POSTERIOR: PosteriorInlet, SPIKES: SpikeInlet}
    inlet = makers.get(role.partition(" ")[0], TextInlet)(stream)
    inlet.open()
    says = Batch()
    if isinstance(inlet, PosteriorInlet):
        says.decoder = _decoder_info(inlet)
    elif isinstance(inlet, SpikeInlet):
        says.units = inlet.units()
    return Attached(role, inlet, says)


def _decoder_info(inlet: PosteriorInlet) -> DecoderInfo:
    about = inlet.about(("task", "window", "bundle", "deadline_ms", "control"))
    try:
        deadline_ms = float(about["deadline_ms"])
    except ValueError:
        deadline_ms = float("inf")
    name = Source({POSTERIOR: inlet.stream}).name
    classes = tuple(inlet.classes())
    said = (about["task"], about["window"], about["bundle"], deadline_ms, about["control"])
    return DecoderInfo(name, classes, *said, inlet.stream.host)
