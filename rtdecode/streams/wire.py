"""Names, formats and discovery of the streams on the network."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import pylsl

from rtdecode.errors import UserError
from rtdecode.microseconds import INVALID_US, US_PER_S

SPIKES, STIMULI, POSTERIOR = "rtdecode-spikes", "rtdecode-stimuli", "rtdecode-posterior"
DECISIONS, TRIGGERS, HEALTH = (
    "rtdecode-decisions",
    "rtdecode-triggers",
    "rtdecode-health",
)
BRIDGE = "rtdecode-bridge"

WATERMARK = -1
SEQUENCE_WRAP = 1 << 31


# On an irregular stream liblsl counts its buffers in hundreds of samples. The
# default of 360 keeps 36,000 spikes and drops the oldest in silence.
SPIKE_BUFFER_HUNDREDS = 10_000


LOOK_S = 0.02
# liblsl asks twice, half a second apart. On one host the first question reaches one source of
# a name alone (measured: the other answered 0.50-0.51 s later, 12 times of 12).
SETTLE_S = 0.6
OWN_OUTPUTS = (DECISIONS, TRIGGERS, HEALTH, BRIDGE)


@dataclass(frozen=True)
class Format:
    """What a stream of one kind must look like on the network.

    ``channels`` is 0 where any number will do; so is an empty ``kind``, and a
    ``channel_format`` of 0.
    """

    kind: str
    channel_format: int
    channels: int


SPIKE_FORMAT = Format("SpikeEvents", pylsl.cf_int32, 2)
TEXT_FORMAT = Format("Markers", pylsl.cf_string, 1)
POSTERIOR_FORMAT = Format("Posterior", pylsl.cf_float32, 0)

_FORMAT_NAMES = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: "string",
    pylsl.cf_int32: "int32",
    pylsl.cf_int16: "int16",
    pylsl.cf_int8: "int8",
    pylsl.cf_int64: "int64",
}


@dataclass(frozen=True)
class Found:
    """A stream seen on the network."""

    name: str
    kind: str
    channels: int
    channel_format: int
    host: str
    source_id: str
    created_at: float
    info: pylsl.StreamInfo

    @property
    def uid(self) -> str:
        """What LSL calls this very outlet; another one of the same name has another."""
        return str(self.info.uid())

    def __str__(self) -> str:
        form = _FORMAT_NAMES.get(self.channel_format, "undefined")
        return f"{self.name!r} (type {self.kind!r}, {self.channels} x {form}, on {self.host})"


def clock_us() -> int:
    """LSL clock of this machine, int microseconds."""
    return round(float(pylsl.local_clock()) * US_PER_S)


def seconds(time_us: int) -> float:
    """A time as LSL takes it, float seconds."""
    return time_us / US_PER_S


def microseconds(stamp: float) -> int:
    """A stamp from LSL, int microseconds; ``INVALID_US`` for NaN and infinities."""
    return round(stamp * US_PER_S) if math.isfinite(stamp) else INVALID_US


def library() -> str:
    """Version of liblsl and where pylsl found it.

    Raises
    ------
    OSError
        If the library is there and cannot be asked.
    """
    return f"{pylsl.library_version() / 100:.2f} ({library_path()})"


def library_path() -> str:
    """Path of the liblsl that pylsl has loaded."""
    return str(pylsl.lib.lib._name)  # ctypes keeps the path it loaded nowhere else


def _found(info: pylsl.StreamInfo) -> Found:
    return Found(
        name=info.name(),
        kind=info.type(),
        channels=info.channel_count(),
        channel_format=info.channel_format(),
        host=info.hostname(),
        source_id=info.source_id(),
        created_at=info.created_at(),
        info=info,
    )


def streams_on_network(wait_s: float = 1.0) -> list[Found]:
    """Every stream that answers within ``wait_s`` seconds, in order of name."""
    streams = [_found(info) for info in pylsl.resolve_streams(wait_s)]
    return sorted(streams, key=lambda stream: (stream.name, stream.created_at))


class Lookout:
    """Watches the network for one stream, in liblsl's own thread.

    A look of less than half a second of ``resolve_bypred`` never asks the known
    peers, who come after the multicast: where multicast is off it finds nothing.

    Parameters
    ----------
    name : str
        Empty for any stream of the form's type that is not a decoder's own output.
    form : Format
    """

    def __init__(self, name: str, form: Format) -> None:
        self._name = name
        self._form = form
        wanted = f"name={_quoted(name)}" if name else f"type={_quoted(form.kind)}"
        self._resolver = pylsl.ContinuousResolver(pred=wanted)

    def found(self) -> Found | None:
        """The stream if it is there by now.

        Raises
        ------
        UserError
            If it is of another type or shape, or several will do.
        """
        streams = self._seen()
        if not streams:
            return None
        if len(streams) > 1:
            many = "; ".join(f"{s} with source id {s.source_id!r}" for s in streams)
            mend = "stop the others"
            if len({s.name for s in streams}) > 1:
                mend += ", or say which by its name"
            if not self._name and self._form.kind == SPIKE_FORMAT.kind:
                mend += ", or --spikes all where each is a probe of one animal"
            sought = f"named {self._name!r}" if self._name else f"of type {self._form.kind!r}"
            raise UserError(f"expected one stream {sought}, found {len(streams)}: {many}; {mend}")
        _check_format(streams[0], self._form)
        return streams[0]

    def found_all(self) -> list[Found]:
        """Every stream that is there by now, in order of name and host.

        Raises
        ------
        UserError
            If one is of another type or shape.
        """
        streams = sorted(self._seen(), key=lambda s: (s.name, s.host, s.source_id))
        for stream in streams:
            _check_format(stream, self._form)
        return streams

    def _seen(self) -> list[Found]:
        seen = map(_found, self._resolver.results())
        # One that has started again is told beside what it was for some seconds. Many senders
        # give no source id, or all of them the one of an example.
        known = {(s.name, s.host, s.source_id or s.uid): s for s in seen if self._is_wanted(s)}
        return list(known.values())

    def _is_wanted(self, stream: Found) -> bool:
        return bool(self._name) or stream.name not in OWN_OUTPUTS

    def wait(self, timeout_s: float) -> Found | None:
        """The stream as soon as it is there, or None when the time is up."""
        until = time.monotonic() + timeout_s
        while (stream := self.found()) is None and time.monotonic() < until:
            time.sleep(LOOK_S)
        if stream is None:
            return None
        time.sleep(SETTLE_S)
        return self.found()

    def wait_all(self, timeout_s: float) -> list[Found]:
        """All that are there soon after the first is; none when the time is up."""
        until = time.monotonic() + timeout_s
        while not self._seen() and time.monotonic() < until:
            time.sleep(LOOK_S)
        if not self._seen():
            return []
        time.sleep(SETTLE_S)
        return self.found_all()


def find(name: str, form: Format, timeout_s: float) -> Found | None:
    """The stream of this name, or None where none answers in time; see ``Lookout``."""
    return Lookout(name, form).wait(timeout_s)


def find_by_uid(uid: str, form: Format, timeout_s: float) -> Found | None:
    """Find one outlet by LSL's own id of it, or None where it does not answer in time.

    Raises
    ------
    UserError
        If it is of another type or shape.
    """
    seen = pylsl.resolve_byprop("uid", uid, 1, timeout_s)
    if not seen:
        return None
    stream = _found(seen[0])
    _check_format(stream, form)
    return stream


def _quoted(text: str) -> str:
    """A string of an XPath predicate; XPath 1.0 has no way to escape both quotes."""
    if "'" in text and '"' in text:
        raise UserError(f"a stream's name may not hold both kinds of quotes: {text!r}")
    return f'"{text}"' if "'" in text else f"'{text}'"


def _check_format(stream: Found, form: Format) -> None:
    channels_fit = form.channels in (0, stream.channels)
    kind_fits = form.kind in ("", stream.kind)
    if kind_fits and channels_fit and form.channel_format in (0, stream.channel_format):
        return
    count = form.channels or "any number of"
    raise UserError(
        f"expected stream {stream.name!r} to have type {form.kind!r} and {count} "
        f"{_FORMAT_NAMES[form.channel_format]} channels, found {stream}; "
        "name the right stream, or mend its sender"
    )
