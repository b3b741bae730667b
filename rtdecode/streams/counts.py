"""Counts as a regular stream: threshold crossings or binned spikes, channels at a rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.streams.inlets import Inlet
from rtdecode.streams.wire import Format, Found

#: Any type of stream will do: acquisition systems call theirs what they like.
COUNT_FORMAT = Format("", pylsl.cf_undefined, 0)
DTYPES = {pylsl.cf_int16: np.int16, pylsl.cf_float32: np.float32}
SAMPLES = 1024
BUFFER_S = 60  # of a regular stream liblsl counts its buffer in seconds


class CountInlet(Inlet):
    """Receives counts into an array that it keeps.

    Parameters
    ----------
    stream : Found
        Of int16 or float32 at a regular rate.

    Attributes
    ----------
    rate : float
        Samples a second.

    Raises
    ------
    UserError
        If the stream is of another kind.
    """

    def __init__(self, stream: Found) -> None:
        self.rate = float(stream.info.nominal_srate())
        if stream.channel_format not in DTYPES or self.rate == pylsl.IRREGULAR_RATE:
            raise UserError(
                f"expected counts as int16 or float32 at a regular rate, found {stream} at "
                f"{self.rate:g} Hz: name another stream, or mend its sender"
            )
        super().__init__(stream, BUFFER_S)
        self._counts = np.zeros((SAMPLES, stream.channels), DTYPES[stream.channel_format])

    def labels(self) -> list[str]:
        """Labels of the channels, in order."""
        labels = []
        channel = self.description().child("channels").child("channel")
        while not channel.empty():
            labels.append(channel.child_value("label"))
            channel = channel.next_sibling("channel")
        return labels

    def pull(self, timeout_s: float = 0.0) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Wait for the first sample, then take all that are there.

        Returns
        -------
        counts : (n, channels) int16 or float32
            A view that the next pull overwrites.
        stamps : (n,) float64
            Seconds.
        """
        counts, stamps = self._inlet.pull_chunk(
            timeout_s, SAMPLES, self._counts, min_samples=1, as_numpy=True
        )
        return counts, np.array(stamps, np.float64)


class CountOutlet:
    """Sends counts, channels at a rate, each labelled with its unit's id.

    Parameters
    ----------
    unit_ids : (channels,) int
    rate : float
        Samples a second.
    name, source_id : str
    dtype : numpy dtype
        int16 or float32.
    """

    def __init__(
        self,
        unit_ids: NDArray[np.int64],
        rate: float,
        name: str,
        source_id: str = "",
        dtype: type = np.int16,
    ) -> None:
        form = pylsl.cf_int16 if dtype is np.int16 else pylsl.cf_float32
        info = pylsl.StreamInfo(name, "Counts", len(unit_ids), rate, form, source_id or name)
        channels = info.desc().append_child("channels")
        for unit_id in unit_ids.tolist():
            channels.append_child("channel").append_child_value("label", f"unit{unit_id}")
        self._dtype = dtype
        self._outlet = pylsl.StreamOutlet(info)

    def push(self, counts: NDArray[np.int64], time_us: int) -> None:
        """Send one sample (channels,) at this time of the LSL clock, microseconds."""
        self._outlet.push_chunk(
            np.ascontiguousarray(counts[np.newaxis], self._dtype), time_us / 1e6
        )

    def has_consumers(self) -> bool:
        """Whether anybody listens."""
        return bool(self._outlet.have_consumers())
