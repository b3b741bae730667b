"""What is received: spikes and watermarks, text, posteriors."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.session.model import Units
from rtdecode.streams.wire import SPIKE_BUFFER_HUNDREDS, Found, microseconds

TEXT_BUFFER_HUNDREDS = 100


class Inlet:
    """What inlets share: opening, the description, the stream's host."""

    def __init__(self, stream: Found, buffer_hundreds: int) -> None:
        self.stream = stream
        self._inlet = pylsl.StreamInlet(
            stream.info,
            max_buflen=buffer_hundreds,
            recover=True,
            processing_flags=_flags(stream),
        )

    def open(self, timeout_s: float = 5.0) -> None:
        """Start to receive; samples are buffered from here on.

        Raises
        ------
        UserError
            If the stream does not answer in time.
        """
        try:
            self._inlet.open_stream(timeout_s)
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            raise UserError(
                f"expected stream {self.stream} to answer within {timeout_s:g} s; it did not: "
                "see that its sender still runs and no firewall stands between"
            ) from None

    @property
    def is_remote(self) -> bool:
        """Whether the stream comes from another host."""
        return not _is_local(self.stream)

    def offset_us(self) -> int | None:
        """From the sender's clock to ours, as last measured; None while it never was."""
        try:
            return microseconds(self._inlet.time_correction(0.0))
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            return None

    def description(self, timeout_s: float = 5.0) -> pylsl.XMLElement:
        """The description that the sender gave."""
        try:
            # Kept: its elements point into it, and it frees them when it goes.
            self._info = self._inlet.info(timeout_s)
            return self._info.desc()
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            raise UserError(
                f"stream {self.stream} did not send its description within {timeout_s:g} s: "
                "see that its sender still runs"
            ) from None

    def close(self) -> None:
        """Stop receiving."""
        self._inlet.close_stream()


def _flags(stream: Found) -> int:
    """Clock synchronisation across hosts alone.

    ``dejitter`` does nothing on irregular streams and ``monotonize`` rewrites
    the stamps of late samples.
    """
    return int(pylsl.proc_none if _is_local(stream) else pylsl.proc_clocksync)


def _is_local(stream: Found) -> bool:
    return stream.host == socket.gethostname()


class SpikeInlet(Inlet):
    """Receives rows of spikes and watermarks into arrays that it keeps.

    Parameters
    ----------
    stream : Found
    rows : int
        Most rows a pull.

    Attributes
    ----------
    has_events : bool
        One spike a row, so that the same row twice is a duplicate.
    """

    has_events = True
    first_us: int | None = None  # the sender numbers the rows

    def __init__(self, stream: Found, rows: int = 1 << 16) -> None:
        super().__init__(stream, SPIKE_BUFFER_HUNDREDS)
        self._rows = rows
        self._samples = np.zeros((rows, 2), np.int32)

    @property
    def handle(self) -> int:
        """Address of liblsl's inlet, for compiled code; valid while this object lives."""
        return int(self._inlet.obj.value)

    def pull(self, timeout_s: float = 0.0) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Wait for the first row, then take all that are there.

        Returns
        -------
        samples : (n, 2) int32
            Unit id and sequence; a view that the next pull overwrites.
        stamps : (n,) float64
            Seconds.
        """
        # Without min_samples the pull waits for a full buffer: 100 ms median against 0.19.
        samples, stamps = self._inlet.pull_chunk(
            timeout_s, self._rows, self._samples, min_samples=1, as_numpy=True
        )
        return samples, np.asarray(stamps, np.float64)

    def units(self) -> Units:
        """The unit table of the stream's description; empty where it has none."""
        return _unit_table(self.description().child("units"))

    def replay(self) -> dict[str, str]:
        """What a replay says of itself; empty for a live source."""
        node = self.description().child("replay")
        keys = ("session", "shift_us", "speed", "origin_us")
        return {key: node.child_value(key) for key in keys if node.child_value(key)}


def _unit_table(table: pylsl.XMLElement) -> Units:
    rows = []
    unit = table.child("unit")
    while not unit.empty():
        rows.append([unit.child_value(key) for key in ("id", "area", "depth", "probe")])
        unit = unit.next_sibling("unit")
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Units(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.str_),
        np.array([float(depth or "nan") for depth in columns[2]], np.float64),
        np.array(columns[3], np.str_),
    )


class TextInlet(Inlet):
    """Receives text: markers, decisions, triggers, health."""

    def __init__(self, stream: Found) -> None:
        super().__init__(stream, TEXT_BUFFER_HUNDREDS)

    def pull(self, timeout_s: float = 0.0) -> list[tuple[str, int]]:
        """All strings that are there, each with its time in microseconds.

        Bytes that are no UTF-8 come as the replacement character.
        """
        samples, stamps = self._inlet.pull_chunk(timeout_s, 1024, as_numpy=True)
        if samples is None:
            return []
        texts = (bytes(sample[0]).decode("utf-8", "replace") for sample in samples)
        return [(text, microseconds(stamp)) for text, stamp in zip(texts, stamps, strict=True)]


class PosteriorInlet(Inlet):
    """Receives class probabilities."""

    def __init__(self, stream: Found) -> None:
        super().__init__(stream, TEXT_BUFFER_HUNDREDS)

    def pull(self, timeout_s: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Wait for the first, then all that are there: (n, classes) float32 and (n,) seconds."""
        samples, stamps = self._inlet.pull_chunk(timeout_s, 1024, min_samples=1, as_numpy=True)
        return np.asarray(samples, np.float32), np.asarray(stamps, np.float64)

    def classes(self) -> list[str]:
        """Labels of the channels, in order."""
        labels = []
        channel = self.description().child("channels").child("channel")
        while not channel.empty():
            labels.append(channel.child_value("label"))
            channel = channel.next_sibling("channel")
        return labels

    def about(self, keys: Sequence[str]) -> dict[str, str]:
        """What the decoder says of itself: the values of these keys."""
        node = self.description().child("decoder")
        return {key: node.child_value(key) for key in keys}
