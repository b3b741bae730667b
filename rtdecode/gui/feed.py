"""The inlets: looks for streams in the background and hands over what arrived, frame by frame.

Looking for streams and opening inlets block, so a thread does it; pulling does
not, so whoever draws pulls. The two meet in one queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.gui.packets import (
    Batch,
    Decision,
    DecoderInfo,
    Health,
    MalformedError,
    Trigger,
    onset_from_marker,
)
from rtdecode.microseconds import INVALID_US, US_PER_S
from rtdecode.streams import Found, PosteriorInlet, SpikeInlet, TextInlet

POSTERIOR, DECISIONS, HEALTH, TRIGGERS = "posterior", "decisions", "health", "triggers"
SPIKES, STIMULI = "spikes", "stimuli"
OF_DECODER = (POSTERIOR, DECISIONS, HEALTH, TRIGGERS)
FORMATS = {
    POSTERIOR: streams.POSTERIOR_FORMAT,
    DECISIONS: streams.TEXT_FORMAT,
    HEALTH: streams.TEXT_FORMAT,
    TRIGGERS: streams.TEXT_FORMAT,
    SPIKES: streams.SPIKE_FORMAT,
    STIMULI: streams.TEXT_FORMAT,
}
#: One look at the network, seconds: liblsl asks known peers only after half a second, so a
#: shorter one misses streams. And the pause between two looks when all is connected.
LOOK_S, REST_S = 1.5, 2.0

Inlet = SpikeInlet | TextInlet | PosteriorInlet


@dataclass(frozen=True)
class Source:
    """A decoder on the network, or the spikes it is fed with: a stream for each role."""

    streams: dict[str, Found]

    @property
    def name(self) -> str:
        """What the decoder is chosen and remembered by."""
        posterior = self.streams[POSTERIOR]
        return f"{posterior.name} on {posterior.host}"


def fits(stream: Found, role: str) -> bool:
    """Whether a stream has the type and shape that its role asks for."""
    form = FORMATS[role]
    like = (stream.kind, stream.channel_format) == (form.kind, form.channel_format)
    return like and form.channels in (0, stream.channels)


def decoders(found: Iterable[Found]) -> list[Source]:
    """The decoders among the streams on the network, each with its other streams.

    A decoder's streams are named alike (``...-posterior``, ``...-decisions``), come from
    one host and were made at about the same time.
    """
    found = list(found)
    posteriors = [s for s in found if fits(s, POSTERIOR)]
    return [Source(dict(_companions(posterior, found))) for posterior in posteriors]


def _companions(posterior: Found, found: list[Found]) -> Iterable[tuple[str, Found]]:
    yield POSTERIOR, posterior
    for role in OF_DECODER[1:]:
        name = posterior.name.replace(POSTERIOR, role)
        named = [s for s in found if s.name == name and s.host == posterior.host and fits(s, role)]
        if named:
            yield role, min(named, key=lambda s: abs(s.created_at - posterior.created_at))


def newest(found: Iterable[Found], name: str, role: str) -> Found | None:
    """The newest stream of a name that fits its role."""
    named = [s for s in found if s.name == name and fits(s, role)]
    return max(named, key=lambda s: s.created_at, default=None)


def only(found: Iterable[Found], role: str) -> Found | None:
    """The one stream that fits a source's role, whatever its name; a decoder's are none."""
    fit = [s for s in found if fits(s, role) and not s.name.endswith(OF_DECODER)]
    return fit[0] if len(fit) == 1 else None


@dataclass(frozen=True)
class Attached:
    """An inlet that is open, and what its stream says of itself."""

    role: str
    inlet: Inlet
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
        self._inlets: dict[str, Inlet] = {}
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

    # -- in the background -------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(REST_S if len(self._open) == len(FORMATS) else 0.0)
        except Exception as error:  # handed to whoever pulls, who raises it
            self._queue.put(error)
            raise

    def _look(self) -> None:
        self.found = streams.streams_on_network(LOOK_S)
        self.decoders = decoders(self.found)
        chosen = self._chosen()
        wanted = dict(chosen.streams) if chosen else {}
        for role, name in ((SPIKES, streams.SPIKES), (STIMULI, streams.STIMULI)):
            stream = newest(self.found, name, role) or only(self.found, role)
            if stream and not self._still_there(role):
                wanted[role] = stream
        for role, stream in wanted.items():
            if self._open.get(role) != _identity(stream):
                self._attach(role, stream)

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
            _pull_into(batch, role, inlet)
        return batch

    def _attach_opened(self) -> Batch:
        batch = Batch()
        while not self._queue.empty():
            attached = self._queue.get()
            if isinstance(attached, BaseException):
                raise attached
            for role in OF_DECODER if attached.role == POSTERIOR else (attached.role,):
                if before := self._inlets.pop(role, None):
                    before.close()
            self._inlets[attached.role] = attached.inlet
            batch = replace(
                batch,
                decoder=attached.says.decoder or batch.decoder,
                units=attached.says.units if attached.says.units is not None else batch.units,
            )
        return batch


def _identity(stream: Found) -> str:
    """A restarted sender may keep its source id; liblsl then resumes by itself."""
    return stream.source_id or f"{stream.name} {stream.host} {stream.created_at}"


def _attach(role: str, stream: Found) -> Attached:
    makers: dict[str, Callable[[Found], Inlet]] = {POSTERIOR: PosteriorInlet, SPIKES: SpikeInlet}
    inlet = makers.get(role, TextInlet)(stream)
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


def _pull_into(batch: Batch, role: str, inlet: Inlet) -> None:
    if isinstance(inlet, SpikeInlet):
        _pull_spikes(batch, inlet)
    elif isinstance(inlet, PosteriorInlet):
        _pull_posteriors(batch, inlet)
    else:
        _pull_texts(batch, role, inlet)


def _pull_spikes(batch: Batch, inlet: SpikeInlet) -> None:
    samples, stamps = inlet.pull()
    if not len(stamps):
        return
    batch.heard.add(SPIKES)
    times, finite = microseconds_of(stamps)
    units = samples[finite, 0]
    marks = units == streams.WATERMARK
    if marks.any():
        batch.watermark_us = int(times[marks][-1])
    batch.spikes_us, batch.spike_units = times[~marks], units[~marks].copy()


def _pull_posteriors(batch: Batch, inlet: PosteriorInlet) -> None:
    probabilities, stamps = inlet.pull()
    if len(stamps):
        batch.heard.add(POSTERIOR)
        batch.posterior_us, finite = microseconds_of(stamps)
        batch.posteriors = probabilities[finite]


def _pull_texts(batch: Batch, role: str, inlet: TextInlet) -> None:
    for text, time_us in inlet.pull():
        batch.heard.add(role)
        try:
            _read_text(batch, role, text, time_us)
        except MalformedError:
            batch.malformed += 1


def _read_text(batch: Batch, role: str, text: str, time_us: int) -> None:
    if role == STIMULI:
        onset = onset_from_marker(time_us, text)
        if onset.stimulus.get("rtdecode") == "end":
            batch.ended = True
        elif time_us != INVALID_US:
            batch.onsets.append(onset)
    elif role == DECISIONS:
        batch.decisions.append(Decision.from_json(text))
    elif role == HEALTH:
        batch.healths.append(Health.from_json(text))
    else:
        batch.triggers.append(Trigger.from_json(text))


def microseconds_of(
    stamps: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Stamps in microseconds, of those that can be one, and which those are."""
    finite = np.abs(stamps) < 2.0**62 / US_PER_S
    return np.rint(stamps[finite] * US_PER_S).astype(np.int64), finite
