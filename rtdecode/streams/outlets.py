"""What is sent: spikes and watermarks, text, posteriors."""

from __future__ import annotations

import ctypes
import json
import socket
import uuid
from collections.abc import Mapping, Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray

from rtdecode import __version__
from rtdecode.microseconds import US_PER_S
from rtdecode.session.model import Units
from rtdecode.streams.wire import (
    POSTERIOR,
    POSTERIOR_FORMAT,
    SEQUENCE_WRAP,
    SPIKE_BUFFER_HUNDREDS,
    SPIKE_FORMAT,
    SPIKES,
    TEXT_FORMAT,
    Format,
    seconds,
)


def _info(name: str, form: Format, channels: int, source_id: str) -> pylsl.StreamInfo:
    return pylsl.StreamInfo(
        name, form.kind, channels, pylsl.IRREGULAR_RATE, form.channel_format, source_id
    )


def new_source_id(name: str) -> str:
    """A source id of this process: streams of one name on one host stay apart."""
    return f"{name}-{socket.gethostname()}-{uuid.uuid4().hex[:12]}"


def _describe_channels(info: pylsl.StreamInfo, labels: Sequence[str], unit: str, kind: str) -> None:
    """Channels and maker, where LabRecorder and those who read its files look for them."""
    channels = info.desc().append_child("channels")
    for label in labels:
        _describe(channels.append_child("channel"), {"label": label, "unit": unit, "type": kind})
    maker = {"manufacturer": "rtdecode", "model": info.name(), "version": __version__}
    _describe(info.desc().append_child("acquisition"), maker)


def _describe(node: pylsl.XMLElement, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        node.append_child_value(key, str(value))


class _Outlet:
    """What outlets share."""

    _outlet: pylsl.StreamOutlet

    @property
    def uid(self) -> str:
        """What LSL calls this very outlet."""
        return str(self._outlet.get_info().uid())

    def has_consumers(self) -> bool:
        """Whether anybody listens."""
        return bool(self._outlet.have_consumers())


class SpikeOutlet(_Outlet):
    """Sends spikes and watermarks, numbering every row.

    Parameters
    ----------
    units : Units
        Sent in the stream's description.
    name, source_id : str
    replay : mapping, optional
        What a replay says of itself: ``session``, ``shift_us``, ``speed``, ``origin_us``.
    """

    def __init__(
        self,
        units: Units,
        name: str = SPIKES,
        source_id: str = "",
        replay: Mapping[str, object] | None = None,
    ) -> None:
        info = _info(name, SPIKE_FORMAT, 2, source_id or new_source_id(name))
        _describe_channels(info, ("unit_id", "sequence"), "none", SPIKE_FORMAT.kind)
        table = info.desc().append_child("units")
        for row in range(len(units)):
            unit = {
                "id": int(units.ids[row]),
                "area": units.areas[row],
                "depth": units.depths_um[row],
                "probe": units.probes[row],
            }
            _describe(table.append_child("unit"), unit)
        if replay is not None:
            _describe(info.desc().append_child("replay"), replay)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=SPIKE_BUFFER_HUNDREDS)
        self.sequence = 0

    def push(self, unit_ids: NDArray[np.int32], times_us: NDArray[np.int64]) -> None:
        """Send rows, a spike or (unit id -1) a watermark each.

        Parameters
        ----------
        unit_ids : (n,) int
        times_us : (n,) int64
            LSL clock, microseconds.
        """
        n = len(unit_ids)
        samples = np.empty((n, 2), np.int32)
        samples[:, 0] = unit_ids
        samples[:, 1] = (self.sequence + np.arange(n)) % SEQUENCE_WRAP
        if n:
            _push_rows(self._outlet, samples, np.asarray(times_us) / US_PER_S)
        self.sequence = (self.sequence + n) % SEQUENCE_WRAP


def _push_rows(
    outlet: pylsl.StreamOutlet, samples: NDArray[np.int32], stamps: NDArray[np.float64]
) -> None:
    """Hand both arrays to liblsl as they are.

    pylsl makes a Python float of every stamp: at a million rows a second the sender
    took 1.5 times as long.
    """
    code = outlet.do_push_chunk_n(
        outlet.obj,
        ctypes.c_void_p(samples.ctypes.data),
        ctypes.c_long(samples.size),
        ctypes.c_void_p(stamps.ctypes.data),
        ctypes.c_int(1),
    )
    pylsl.util.handle_error(code)


class TextOutlet(_Outlet):
    """Sends text, one string a sample: markers, decisions, triggers, health."""

    def __init__(self, name: str, source_id: str = "") -> None:
        info = _info(name, TEXT_FORMAT, 1, source_id or new_source_id(name))
        _describe_channels(info, (name,), "text", TEXT_FORMAT.kind)
        self._outlet = pylsl.StreamOutlet(info)

    def push(self, text: str, time_us: int) -> None:
        """Send one string at this time of the LSL clock, microseconds."""
        self._outlet.push_sample([text], seconds(time_us))

    def push_json(self, values: Mapping[str, object], time_us: int) -> None:
        """Send one JSON object."""
        self.push(json.dumps(values, separators=(",", ":")), time_us)


class PosteriorOutlet(_Outlet):
    """Sends class probabilities, one channel a class, labelled in the description."""

    def __init__(
        self,
        classes: Sequence[str],
        about: Mapping[str, object],
        name: str = POSTERIOR,
        source_id: str = "",
    ) -> None:
        info = _info(name, POSTERIOR_FORMAT, len(classes), source_id or new_source_id(name))
        _describe_channels(info, classes, "probability", POSTERIOR_FORMAT.kind)
        _describe(info.desc().append_child("decoder"), about)
        self._outlet = pylsl.StreamOutlet(info)

    @property
    def handle(self) -> int:
        """Address of liblsl's outlet, for compiled code; valid while this object lives."""
        return int(self._outlet.obj.value)

    def push(self, probabilities: NDArray[np.float32], time_us: int) -> None:
        """Send one posterior, (classes,) float32, at a window's end."""
        # As a chunk of one: pylsl hands the array over as it is, no list is made.
        self._outlet.push_chunk(probabilities.reshape(1, -1), seconds(time_us))
