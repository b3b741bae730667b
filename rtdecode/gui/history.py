"""The probability of every class over time, as an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.raster import Span

#: What a column without a decision holds.
NO_DECISION = np.uint8(0)


def history_image(
    times_us: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    span: Span,
    hold_us: int,
) -> NDArray[np.uint8]:
    """Draw posteriors as columns; each holds until the next, at most `hold_us`.

    Parameters
    ----------
    times_us : (rows,) int64
        Window ends.
    probabilities : (rows, classes) float32
    span : Span
        What the image shows.
    hold_us : int
        After this long a decision says nothing about now: the column stays empty.

    Returns
    -------
    (classes, columns) uint8
        0 where there is no decision, else 1 to 255 for probabilities 0 to 1.
    """
    n_classes = probabilities.shape[1] if probabilities.ndim == 2 else 0
    if not len(times_us) or not n_classes:
        return np.full((max(1, n_classes), span.columns), NO_DECISION)
    # In order but for a clock that stepped back.
    order = np.argsort(times_us, kind="stable")
    times_us = times_us[order]
    edges = span.start_us + span.column_us * np.arange(1, span.columns + 1, dtype=np.int64)
    newest = np.searchsorted(times_us, edges, side="left") - 1
    held = (newest >= 0) & (edges - span.column_us - times_us[newest] < hold_us)
    levels = probability_levels(probabilities[order[newest]])
    levels[~held] = NO_DECISION
    return np.ascontiguousarray(levels.T)


def probability_levels(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Image values of probabilities: 1 to 255; `NO_DECISION` where not finite."""
    finite = np.isfinite(probabilities)
    scaled = 1.0 + 254.0 * np.clip(np.where(finite, probabilities, 0.0), 0.0, 1.0)
    return np.where(finite, scaled, 0.0).astype(np.uint8)


def thickened(levels: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Let each class shine over `by` rows on either side where these are darker.

    Of 119 classes each has a pixel or two, too thin to be seen from afar.

    Parameters
    ----------
    levels : (classes, columns) uint8
    by : int
        Rows.
    """
    thick = levels.copy()
    for shift in range(1, by + 1):
        np.maximum(thick[shift:], levels[:-shift], out=thick[shift:])
        np.maximum(thick[:-shift], levels[shift:], out=thick[:-shift])
    return thick


def usual_interval_us(times_us: NDArray[np.int64], otherwise_us: int) -> int:
    """Median interval of the newest decisions; `otherwise_us` with fewer than two."""
    return int(np.median(np.diff(times_us[-50:]))) if len(times_us) > 1 else otherwise_us
