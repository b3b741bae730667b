"""Several spike streams into one ring: each has watermarks, a sequence and tallies of its own.

The intake that engine and decoder look at is gathered from the parts: a window
is complete when the slowest stream's watermark has passed it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.ingest import (
    CLOSED_US,
    FIRST_US,
    GAP_US,
    MOST_OVERTAKEN,
    NEWEST_US,
    NEXT_SEQUENCE,
    STATE_SIZE,
    WATERMARK_US,
    Intake,
    ingest,
)
from rtdecode.kernels.jit import kernel
from rtdecode.microseconds import FOREVER_US, NEVER_US


class Parts(NamedTuple):
    """What differs from stream to stream.

    Attributes
    ----------
    tallies : (streams, 8) int64
        As ``Intake.tally``.
    states : (streams, 7) int64
        As ``Intake.state``.
    aside : (streams,) bool
        Silent, and no window waits for it: its counts are missing.
    missing : (streams, 1024) int64
        As ``Intake.missing``.
    """

    tallies: NDArray[np.int64]
    states: NDArray[np.int64]
    aside: NDArray[np.bool_]
    missing: NDArray[np.int64]


def make_parts(streams: int) -> Parts:
    """Of streams that have sent nothing yet."""
    states = np.full((streams, STATE_SIZE), NEVER_US, np.int64)
    states[:, NEXT_SEQUENCE] = -1
    return Parts(
        np.zeros((streams, 8), np.int64),
        states,
        np.zeros(streams, np.bool_),
        np.full((streams, MOST_OVERTAKEN), -1, np.int64),
    )


@kernel
def ingest_part(
    intake: Intake,
    parts: Parts,
    stream: int,
    samples: NDArray[np.int32],
    times_us: NDArray[np.int64],
    n: int,
    latest_us: int,
    dedup_us: int,
) -> None:
    """Take rows of one of the streams; else as ``ingest``."""
    parts.states[stream, CLOSED_US] = intake.state[CLOSED_US]
    part = Intake(
        intake.ring,
        intake.keys,
        intake.key_rows,
        parts.tallies[stream],
        parts.states[stream],
        parts.missing[stream],
    )
    ingest(part, samples, times_us, n, latest_us, dedup_us)


@kernel
def gather(intake: Intake, parts: Parts) -> None:
    """Bring tally and state of the whole up to those of the parts.

    A window has nothing missing if every stream was heard from its start on, and
    none is set aside. ``Intake.state`` has one gap to say that with.
    """
    intake.tally[:] = 0
    watermark_us, gap_us = FOREVER_US, NEVER_US
    first_us, newest_us = FOREVER_US, NEVER_US
    for i in range(len(parts.aside)):
        intake.tally[:] += parts.tallies[i]
        state = parts.states[i]
        newest_us = max(newest_us, state[NEWEST_US])
        gap_us = max(gap_us, state[GAP_US])
        if parts.aside[i]:
            gap_us = FOREVER_US
        else:
            watermark_us = min(watermark_us, state[WATERMARK_US])
        if state[FIRST_US] != NEVER_US:
            first_us = min(first_us, state[FIRST_US])
            gap_us = max(gap_us, state[FIRST_US] - 1)
    if watermark_us != FOREVER_US:
        intake.state[WATERMARK_US] = watermark_us
    if first_us != FOREVER_US:
        intake.state[FIRST_US] = first_us
    intake.state[NEWEST_US], intake.state[GAP_US] = newest_us, gap_us


@kernel
def slowest(parts: Parts) -> int:
    """The stream that every window waits for: no other can complete one before it."""
    found, watermark_us = 0, FOREVER_US
    for i in range(len(parts.aside)):
        if not parts.aside[i] and parts.states[i, WATERMARK_US] < watermark_us:
            found, watermark_us = i, parts.states[i, WATERMARK_US]
    return found
