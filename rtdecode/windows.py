"""Decoding windows: where they lie about an onset and how they are binned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.microseconds import FOREVER_US, US_PER_MS, US_PER_S


@dataclass(frozen=True)
class WindowSpec:
    """A window about a stimulus onset, cut into bins of equal length.

    A spike at ``t`` lies in bin ``(t - onset - offset_us) // bin_us`` when that
    is in ``range(n_bins)``: the first edge belongs to the window, the last not.

    Attributes
    ----------
    offset_us : int
        From onset to the window's start, microseconds; may be negative.
    duration_us : int
        Length, microseconds; a whole number of bins.
    bin_us : int
        Bin length, microseconds.
    """

    offset_us: int
    duration_us: int
    bin_us: int

    def __post_init__(self) -> None:
        if self.bin_us <= 0 or self.duration_us <= 0 or self.duration_us % self.bin_us:
            raise UserError(
                "a window must be a whole, positive number of bins long; found "
                f"{self.duration_us} us in bins of {self.bin_us} us: change its end or its bin"
            )

    @property
    def n_bins(self) -> int:
        """How many bins the window has."""
        return self.duration_us // self.bin_us

    @classmethod
    def parse(cls, text: str) -> WindowSpec:
        """Read ``START:STOP:BIN`` in milliseconds after onset, or ``START:STOP`` as one bin.

        Raises
        ------
        UserError
            If the text has another form or the bins do not fill the window.
        """
        try:
            edges = [round(float(part) * US_PER_MS) for part in text.split(":")]
            start, stop, *rest = edges
            (bin_us,) = rest or (stop - start,)
        except (ValueError, OverflowError):
            raise UserError(
                f"a window is START:STOP:BIN in milliseconds, as 0:250:25; found {text!r}"
            ) from None
        return cls(start, stop - start, bin_us)

    def __str__(self) -> str:
        edges = (self.offset_us, self.offset_us + self.duration_us, self.bin_us)
        return ":".join(f"{edge / US_PER_MS:g}" for edge in edges) + " ms"

    def starts(self, onsets_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Start of each window, (onsets,) int64 microseconds."""
        return onsets_us + self.offset_us


class Hops:
    """Sliding windows: their ends lie on whole hops of the clock.

    Parameters
    ----------
    hop_us : int
        From one end to the next, microseconds.
    spec : WindowSpec

    Attributes
    ----------
    last_us : int
        No window ends after this.

    Raises
    ------
    UserError
        If a second is no whole number of hops: a replay shifts its session by whole
        seconds, so that windows lie on the same grid live and offline.
    """

    def __init__(self, hop_us: int, spec: WindowSpec) -> None:
        if hop_us <= 0 or US_PER_S % hop_us:
            raise UserError(
                "expected sliding windows at a hop of which a second is a whole number, found "
                f"{hop_us / US_PER_MS:g} ms: give one, as 10 or 20"
            )
        self.last_us = FOREVER_US
        self._hop_us = hop_us
        self._duration_us = spec.duration_us
        self._end_from_onset_us = spec.offset_us + spec.duration_us
        self._next_end_us: int | None = None

    def go_on(self, time_us: int) -> None:
        """What was to be the end was not: windows begin again from this time on."""
        self.last_us = FOREVER_US
        self._next_end_us = self.ceiling(time_us + self._duration_us)

    def onset_of(self, end_us: int) -> int:
        """The onset that a window with this end belongs to."""
        return end_us - self._end_from_onset_us

    def ceiling(self, time_us: int) -> int:
        """The first whole hop that is not before a time."""
        return -(-time_us // self._hop_us) * self._hop_us

    def waits(self, reached_us: int) -> bool:
        """Whether no further window has begun by this time."""
        return self._next_end_us is not None and self._next_end_us - self._duration_us > reached_us

    def begun(self, first_us: int, reached_us: int, oldest_us: int) -> tuple[range, int]:
        """Windows that have begun since the last call.

        Parameters
        ----------
        first_us : int
            Nothing was heard before this: no window begins earlier.
        reached_us : int
            How far the stream has come.
        oldest_us : int
            A window that ends before this is worth no decision.

        Returns
        -------
        ends_us : range
            Ends of the windows to open, in order.
        skipped : int
            How many were passed over.
        """
        if self._next_end_us is None:
            self._next_end_us = self.ceiling(max(first_us + self._duration_us, oldest_us))
        stop_us = min(reached_us + self._duration_us, self.last_us) + 1
        due = range(self._next_end_us, stop_us, self._hop_us)
        fresh = range(max(due.start, self.ceiling(oldest_us)), stop_us, self._hop_us)
        self._next_end_us = due.start + len(due) * self._hop_us
        return fresh, len(due) - len(fresh)
