"""Decoding windows: where they lie about an onset and how they are binned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS


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
