"""A stream of counts as rows of spikes and watermarks, for whatever takes those."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.kernels.count_rows import expand_counts, make_count_state
from rtdecode.session.model import Units

NUMBER = re.compile(r"(?<!\d)(\d{1,10})\D*$")
LARGEST_ID = (1 << 31) - 1
ROWS = 1 << 16


class CountRows:
    """Receives counts and gives them as rows; as ``SpikeInlet``.

    Parameters
    ----------
    stream : Found
        A channel's label ends with the id of its unit (``950911932``, ``unit 12``).

    Attributes
    ----------
    has_events : bool
        The same row twice is two spikes of one sample.
    first_us : int or None
        Time of the first row, where the numbering of the rows begins.

    Raises
    ------
    UserError
        If the stream is of another kind, or its labels give no distinct ids.
    """

    has_events = False

    def __init__(self, stream: streams.Found) -> None:
        if stream.channels >= ROWS:
            raise UserError(f"expected fewer than {ROWS:,} channels of counts, found {stream}")
        self.stream = stream
        self._inlet = streams.CountInlet(stream)
        self._ids = _unit_ids(stream, self._inlet.labels())
        self._state = make_count_state()
        self._rows = np.zeros((ROWS, 2), np.int32)
        self._row_stamps = np.zeros(ROWS)
        self._counts: NDArray[Any] = np.empty((0, stream.channels), np.int16)
        self._stamps, self._next = np.empty(0), 0
        self.first_us: int | None = None

    def open(self) -> None:
        """Start to receive; see ``SpikeInlet.open``."""
        self._inlet.open()

    @property
    def is_remote(self) -> bool:
        """Whether the stream comes from another host."""
        return self._inlet.is_remote

    def offset_us(self) -> int | None:
        """From the sender's clock to ours; see ``SpikeInlet.offset_us``."""
        return self._inlet.offset_us()

    def units(self) -> Units:
        """The channels as units."""
        n = len(self._ids)
        names = np.full(n, self.stream.name)
        return Units(self._ids.astype(np.int64), np.full(n, ""), np.full(n, np.nan), names)

    def replay(self) -> dict[str, str]:
        """Counts come from no replay."""
        return {}

    def pull(self, timeout_s: float = 0.0) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Wait for the first sample, then the rows of all that are there.

        Returns
        -------
        samples : (n, 2) int32
            Unit id and sequence; a view that the next pull overwrites.
        stamps : (n,) float64
            Seconds.
        """
        if self._next >= len(self._stamps):
            self._counts, self._stamps = self._inlet.pull(timeout_s)
            self._next = 0
        n, self._next = expand_counts(
            self._state,
            self._counts,
            self._stamps,
            self._next,
            self._ids,
            1.0 / self._inlet.rate,
            self._rows,
            self._row_stamps,
        )
        if self.first_us is None and n:
            self.first_us = streams.microseconds(self._row_stamps[0])
        return self._rows[:n], self._row_stamps[:n]


def _unit_ids(stream: streams.Found, labels: list[str]) -> NDArray[np.int32]:
    """The unit of each channel, by the number at the end of its label."""
    numbers = [NUMBER.search(label) for label in labels]
    ids = [int(number[1]) for number in numbers if number is not None]
    if len(set(ids)) != stream.channels or max(ids) > LARGEST_ID:
        told = ", ".join(labels[:5]) or "none"
        raise UserError(
            f"expected a label that ends with a number of its own for each of the "
            f"{stream.channels} channels of {stream.name!r}, found {told}"
            f"{' ...' if len(labels) > 5 else ''}: label them with unit ids, as unit12"
        )
    return np.array(ids, np.int32)
