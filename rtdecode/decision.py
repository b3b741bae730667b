"""A window about an onset, and what is decided of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CountArray = NDArray[np.uint16]
ProbabilityArray = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Window:
    """A window that waits for its spikes; in order of its end.

    Attributes
    ----------
    end_us, number, start_us, onset_us : int
        Microseconds of the stream's clock; ``number`` counts windows as they open.
        Where decisions fall early it ends where the next look at it is.
    bins : int
        How many bins lie between start and end.
    label : str
        The true label where the marker carries one, else empty.
    session_us : int or None
        The onset in the session's own time, where a replay tells it.
    sliding : bool
        Opened by the clock, not by a marker.
    """

    end_us: int
    number: int
    start_us: int = field(compare=False)
    onset_us: int = field(compare=False)
    bins: int = field(compare=False)
    label: str = field(compare=False, default="")
    session_us: int | None = field(compare=False, default=None)
    sliding: bool = field(compare=False, default=False)


@dataclass(frozen=True, eq=False)
class Decision:
    """What the decoder says of one window.

    Attributes
    ----------
    window : Window
        Ends where the decision was made: before its last bin where that was early.
    counts : (bins, units) uint16
        The engine's own buffer: copy it to keep it beyond the next decision. Bins after
        the window's end are empty.
    probabilities : (classes,) float32
    in_window : int
        Spikes in ``counts``.
    by_watermark : bool
        Closed by the source's word; else by the lateness allowance.
    complete : bool
        By watermark, and no spike of the window is known to be missing.
    spikes : (6,) int64
        Rows since the decision before, by ``rtdecode.kernels.ingest.KINDS``.
    bin_ns, infer_ns : int
        What binning and inference took on the caller's tick. No binning stands before
        the answer (0) where spikes were summed as they came.
    """

    window: Window
    counts: CountArray
    probabilities: ProbabilityArray
    in_window: int
    by_watermark: bool
    complete: bool
    spikes: NDArray[np.int64]
    bin_ns: int
    infer_ns: int
