"""Rows of the spike stream into the ring: each is exactly one thing.

A row is a watermark or a spike; a spike is on time, late, duplicate, unknown,
malformed or, where the ring is full of spikes still needed, lost. Rows that
never arrived are lost too: the sequence shows how many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdecode.kernels.jit import inlined_kernel, kernel
from rtdecode.kernels.lookup import find_row, make_lookup
from rtdecode.kernels.ring import (
    HEAD,
    OPEN_FROM_US,
    RETAIN_US,
    Ring,
    is_duplicate,
    make_ring,
    push_spike,
    was_pushed,
)
from rtdecode.microseconds import INVALID_US, NEVER_US

WATERMARK_ID = -1
SEQUENCE_MASK = (1 << 31) - 1
HALF_SEQUENCE = 1 << 30
# A row is not overtaken by more than this many; a power of two.
MOST_OVERTAKEN = 1024

# Places in ``Intake.tally``.
ON_TIME, LATE, DUPLICATE, UNKNOWN, MALFORMED, LOST, WATERMARKS, ROWS = range(8)
KINDS = ("on_time", "late", "duplicate", "unknown", "malformed", "lost")

# Places in ``Intake.state``.
WATERMARK_US = 0  # every spike before this has been sent, says the source
CLOSED_US = 1  # the end of the latest window that was closed
NEWEST_US = 2  # the latest spike time seen
FIRST_US = 3  # the first row's time: spikes before it were sent before we listened
GAP_US = 4  # the latest time at which a spike is known to be missing
NEXT_SEQUENCE = 5  # -1 before the first row
UNSURE_US = 6  # until the watermark has passed this, what was lost may be of now; NEVER_US: sure
STATE_SIZE = 7


class Intake(NamedTuple):
    """All that ingesting changes.

    Attributes
    ----------
    ring : Ring
    keys : (slots,) int64
    key_rows : (slots,) int32
        Look-up from unit id to row.
    tally : (8,) int64
        Rows by kind.
    state : (7,) int64
    missing : (1024,) int64
        Sequence numbers passed over of late, each at its remainder; -1 elsewhere.
    """

    ring: Ring
    keys: NDArray[np.int64]
    key_rows: NDArray[np.int32]
    tally: NDArray[np.int64]
    state: NDArray[np.int64]
    missing: NDArray[np.int64]


def make_intake(unit_ids: NDArray[np.int64], capacity: int, retain_us: int) -> Intake:
    """An empty intake for these units; see ``make_ring``."""
    keys, rows = make_lookup(unit_ids)
    state = np.full(STATE_SIZE, NEVER_US, np.int64)
    state[NEXT_SEQUENCE] = -1
    return Intake(
        make_ring(capacity, len(unit_ids), retain_us),
        keys,
        rows,
        np.zeros(8, np.int64),
        state,
        np.full(MOST_OVERTAKEN, -1, np.int64),
    )


@inlined_kernel
def note_gap(state: NDArray[np.int64], time_us: int) -> None:
    """Rows are missing before one of this time.

    Spikes are sent in some disorder: one that was lost may be later than the row after
    it. It is taken to be no later than the newest spike when the watermark is here.
    """
    latest_us = max(time_us, state[NEWEST_US])
    state[GAP_US] = max(state[GAP_US], latest_us)
    state[UNSURE_US] = max(state[UNSURE_US], latest_us)


@inlined_kernel
def take_watermark(state: NDArray[np.int64], time_us: int) -> None:
    """Every spike before this time has been sent."""
    state[WATERMARK_US] = max(state[WATERMARK_US], time_us)
    if state[UNSURE_US] != NEVER_US:
        state[GAP_US] = max(state[GAP_US], state[NEWEST_US])
        if time_us >= state[UNSURE_US]:
            state[UNSURE_US] = NEVER_US


@inlined_kernel
def check_sequence(intake: Intake, sequence: int, time_us: int) -> None:
    """Count the rows that are missing before this one; take back one that comes after all.

    A step back of the sequence is a source that started again or a row that
    comes after one sent later; neither is a gap of 2^31. A source starts again
    with 0, but its first rows may be gone before we are connected anew: then a
    long step back to a time beyond all before shows it.
    """
    state, missing = intake.state, intake.missing
    expected = state[NEXT_SEQUENCE]
    ahead = (sequence - expected) & SEQUENCE_MASK
    slot = sequence & (MOST_OVERTAKEN - 1)
    if expected < 0 or ahead == 0:
        state[NEXT_SEQUENCE] = (sequence + 1) & SEQUENCE_MASK
    elif ahead < HALF_SEQUENCE:
        intake.tally[LOST] += ahead
        for number in range(max(expected, expected + ahead - MOST_OVERTAKEN), expected + ahead):
            missing[number & (MOST_OVERTAKEN - 1)] = number & SEQUENCE_MASK
        note_gap(state, time_us)
        state[NEXT_SEQUENCE] = (sequence + 1) & SEQUENCE_MASK
    elif missing[slot] == sequence:
        missing[slot] = -1
        intake.tally[LOST] -= 1
    elif sequence == 0 or (
        SEQUENCE_MASK - ahead >= MOST_OVERTAKEN
        and time_us > max(state[NEWEST_US], state[WATERMARK_US])
    ):
        # What was sent between the last row and the new start is not known.
        missing[:] = -1
        note_gap(state, time_us)
        state[NEXT_SEQUENCE] = sequence + 1


@inlined_kernel
def classify(intake: Intake, unit_id: int, time_us: int, dedup_us: int) -> int:
    """Kind of a well-formed spike; one that is on time is kept in the ring."""
    row = find_row(unit_id, intake.keys, intake.key_rows)
    if row < 0:
        return UNKNOWN
    # What is long closed is late, seen before or not: where the source's clock has stepped
    # back, a look for its like would go through all that the ring holds, spike after spike.
    is_looked_for = dedup_us > 0 and time_us >= intake.state[CLOSED_US] - dedup_us
    if is_looked_for and is_duplicate(intake.ring, time_us, row, dedup_us):
        return DUPLICATE
    if time_us < intake.state[CLOSED_US]:
        # Left out of every window that is yet to close, too.
        intake.state[GAP_US] = max(intake.state[GAP_US], time_us)
        return LATE
    if push_spike(intake.ring, time_us, row, intake.state[NEWEST_US]):
        return ON_TIME
    intake.state[GAP_US] = max(intake.state[GAP_US], time_us)
    return LOST


@inlined_kernel
def take_sane_row(intake: Intake, unit_id: int, time_us: int, dedup_us: int) -> int:
    """Take a watermark or a spike whose stamp is a time; its kind."""
    if intake.state[FIRST_US] == NEVER_US:
        intake.state[FIRST_US] = time_us
    if unit_id == WATERMARK_ID:
        take_watermark(intake.state, time_us)
        return WATERMARKS
    intake.state[NEWEST_US] = max(intake.state[NEWEST_US], time_us)
    return classify(intake, unit_id, time_us, dedup_us)


@kernel
def ingest_row(
    intake: Intake,
    unit_id: int,
    sequence: int,
    time_us: int,
    latest_us: int,
    dedup_us: int,
) -> None:
    """Take one row; ``latest_us`` is the time after which a stamp cannot be ours."""
    intake.tally[ROWS] += 1
    sane = time_us != INVALID_US and time_us <= latest_us and unit_id >= WATERMARK_ID
    check_sequence(intake, sequence, time_us if sane else intake.state[NEWEST_US])
    kind = MALFORMED
    if sane:
        kind = take_sane_row(intake, unit_id, time_us, dedup_us)
    intake.tally[kind] += 1


@kernel
def ingest(
    intake: Intake,
    samples: NDArray[np.int32],
    times_us: NDArray[np.int64],
    n: int,
    latest_us: int,
    dedup_us: int,
) -> None:
    """Take the first ``n`` rows of a pull.

    Parameters
    ----------
    intake : Intake
        Changed in place.
    samples : (>= n, 2) int32
        Unit id and sequence.
    times_us : (>= n,) int64
        Stamps; ``INVALID_US`` where a stamp was no time.
    n : int
    latest_us : int
        A stamp after this comes from another clock: malformed.
    dedup_us : int
        How far back a duplicate is looked for, of a spike that is on time or late by no
        more than this; 0 for not at all.
    """
    ring, keys, key_rows, tally, state, _ = intake
    ring_us, peak_us, rows, previous, last, newest_of, ring_state = ring
    mask = len(ring_us) - 1
    open_us, retain_us, closed_us = (
        ring_state[OPEN_FROM_US],
        ring_state[RETAIN_US],
        state[CLOSED_US],
    )
    looked_for_us = closed_us - dedup_us
    head, expected, newest_us = ring_state[HEAD], state[NEXT_SEQUENCE], state[NEWEST_US]
    started, kept, late, gap_us = state[FIRST_US] != NEVER_US, 0, 0, state[GAP_US]
    for i in range(n):
        unit_id, sequence, time_us = samples[i, 0], samples[i, 1], times_us[i]
        # The straight way, of nearly every spike; whatever is odd goes by ``ingest_row``.
        # What is late stays on it: one who is behind must not get slower by that.
        row = -1
        if sequence == expected and INVALID_US != time_us <= latest_us and unit_id >= 0:
            row = find_row(unit_id, keys, key_rows)
        if (
            row >= 0
            and dedup_us > 0
            and looked_for_us <= time_us <= newest_of[row]
            and was_pushed(ring_us, previous, last[row], head, time_us, dedup_us)
        ):
            row = -1
        if started and row >= 0 and time_us < closed_us:
            newest_us, gap_us = max(newest_us, time_us), max(gap_us, time_us)
            expected = (sequence + 1) & SEQUENCE_MASK
            late += 1
            continue
        slot = head & mask
        room_us = min(open_us, max(newest_us, time_us) - retain_us)
        if not started or row < 0 or (head > mask and ring_us[slot] >= room_us):
            ring_state[HEAD], state[NEXT_SEQUENCE], state[NEWEST_US] = head, expected, newest_us
            ingest_row(intake, unit_id, sequence, time_us, latest_us, dedup_us)
            head, expected, newest_us = ring_state[HEAD], state[NEXT_SEQUENCE], state[NEWEST_US]
            started = state[FIRST_US] != NEVER_US
            continue
        newest_us = max(newest_us, time_us)
        peak_us[slot] = max(time_us, peak_us[(head - 1) & mask]) if head else time_us
        ring_us[slot], rows[slot] = time_us, row
        previous[slot], last[row] = last[row], head
        newest_of[row] = max(newest_of[row], time_us)
        head += 1
        expected = (sequence + 1) & SEQUENCE_MASK
        kept += 1
    ring_state[HEAD], state[NEXT_SEQUENCE], state[NEWEST_US] = head, expected, newest_us
    state[GAP_US] = max(state[GAP_US], gap_us)
    tally[ON_TIME] += kept
    tally[LATE] += late
    tally[ROWS] += kept + late
