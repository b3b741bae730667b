"""Every row is exactly one kind, whatever arrives."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.kernels import ingest as rows
from rtdecode.kernels.lookup import find_row, make_lookup
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.microseconds import INVALID_US
from tests.kernels.reference import tally_in_order

UNITS = np.array([7, 950_000_123, 3], np.int64)
LATEST_US = 900
DEDUP_US = 10_000

row = st.tuples(
    st.sampled_from([7, 3, 950_000_123, 8, -1, -2]),
    st.one_of(st.none(), st.integers(0, 40), st.integers(0, 1000)),
)


def take(intake, unit_ids, sequence, times_us, dedup_us=DEDUP_US, latest_us=LATEST_US):
    """Ingest rows given as lists; ``None`` is no time."""
    samples = np.array([unit_ids, sequence], np.int64).T.astype(np.int32).reshape(-1, 2)
    times = np.array([INVALID_US if t is None else t for t in times_us], np.int64)
    rows.ingest(intake, samples, times, len(times), latest_us, dedup_us)


def kinds(intake):
    """The tally by name."""
    return dict(zip(rows.KINDS, intake.tally.tolist(), strict=False))


@given(st.lists(row, max_size=150), st.integers(0, 600))
def test_rows_are_tallied_as_a_set_of_python_would(arrivals, closed_us):
    intake = rows.make_intake(UNITS, 512, retain_us=0)
    intake.state[rows.CLOSED_US] = closed_us
    ids, times_us = [i for i, _ in arrivals], [t for _, t in arrivals]
    take(intake, ids, range(len(ids)), times_us)
    expected, kept = tally_in_order(set(UNITS.tolist()), arrivals, closed_us, LATEST_US)
    found = kinds(intake)
    assert found.pop("lost") == 0
    assert found == expected
    spikes = len(arrivals) - intake.tally[rows.WATERMARKS]
    assert sum(expected.values()) == spikes
    assert intake.ring.state[0] == len(kept)


def seconds_a_pull(closed_us, kind):
    """The fastest of many pulls whose spikes are all of one kind."""
    intake = rows.make_intake(np.arange(700), 1 << 17, retain_us=0)
    intake.state[rows.CLOSED_US] = closed_us
    ids = np.random.default_rng(1).integers(0, 700, 8192)
    took_s = []
    for turn in range(40):
        numbers = turn * 8192 + np.arange(8192)
        samples = np.stack([ids, numbers], axis=1).astype(np.int32)
        began = time.perf_counter()
        rows.ingest(intake, samples, numbers, 8192, 10**9, DEDUP_US)
        took_s.append(time.perf_counter() - began)
    assert intake.tally[kind] == 40 * 8192
    return min(took_s)


def test_what_is_late_costs_no_more_so_that_who_is_behind_gets_no_slower():
    assert seconds_a_pull(10**9, rows.LATE) < 2 * seconds_a_pull(0, rows.ON_TIME)


def test_what_is_long_closed_costs_no_more_however_far_the_clock_has_stepped_back():
    """The ring is full of one unit's spikes that are later than all that come."""
    intake, n, back_us = rows.make_intake(UNITS, 1 << 14, retain_us=0), 1 << 14, 10**9
    samples = np.stack([np.full(n, 7), np.arange(n)], axis=1).astype(np.int32)
    times_us = np.arange(n, dtype=np.int64)
    rows.ingest(intake, samples, back_us + times_us, n, 2 * back_us, DEDUP_US)
    intake.state[rows.CLOSED_US] = back_us
    samples[:, 1] += n
    began = time.perf_counter()
    rows.ingest(intake, samples, times_us, n, 2 * back_us, DEDUP_US)
    took_s = time.perf_counter() - began
    assert kinds(intake)["late"] == n
    assert took_s < 50 * seconds_a_pull(0, rows.ON_TIME)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 2**31 - 1))
def test_gaps_in_the_sequence_are_counted_across_the_wrap(skips, first):
    intake = rows.make_intake(UNITS, 512, retain_us=0)
    steps = np.cumsum([0, *(1 + skip for skip in skips)])
    sequence = (first + steps) % 2**31
    if 0 in sequence[1:]:  # a 0 after a gap of any size reads as a gap too: no restart here
        assert first + steps[-1] >= 2**31
    take(intake, [7] * len(sequence), sequence, range(len(sequence)))
    assert kinds(intake)["lost"] == sum(skips)


def test_a_source_that_starts_again_has_lost_nothing_that_can_be_counted():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 7, 7], [4000, 4001, 0], [1, 2, 500])
    assert kinds(intake)["lost"] == 0
    assert intake.state[rows.GAP_US] == 500, "windows about the restart are not complete"


def test_a_source_that_starts_again_unheard_is_told_by_a_long_step_back_to_a_later_time():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 7, -1, 3, -1], [4000, 4001, 57, 58, 59], [1, 2, 500, 501, 502])
    assert kinds(intake)["lost"] == 0
    assert intake.state[rows.GAP_US] == 500
    assert intake.state[rows.NEXT_SEQUENCE] == 60
    take(intake, [7], [62], [503])
    assert kinds(intake)["lost"] == 2, "what is lost after the new start is counted again"


def test_a_row_that_overtakes_another_is_not_lost():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 3, 7, 7], [0, 2, 1, 3], [1, 2, 3, 4])
    assert kinds(intake)["lost"] == 0
    assert kinds(intake)["on_time"] == 4


def test_a_row_sent_twice_is_a_duplicate_and_takes_no_loss_back():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 7, 7], [0, 2, 2], [1, 2, 2])
    assert kinds(intake) | {"lost": 1, "duplicate": 1, "on_time": 2} == kinds(intake)


def test_two_units_in_the_same_microsecond_are_two_spikes():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 3, 7], [0, 1, 2], [5, 5, 5])
    assert kinds(intake)["on_time"] == 2
    assert kinds(intake)["duplicate"] == 1


def test_a_duplicate_beyond_the_dedup_window_counts_as_a_spike():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 7, 7], [0, 1, 2], [100, 50, 100], dedup_us=40)
    assert kinds(intake)["on_time"] == 3, "the spike at 50 ended the look back from 100"


def test_a_full_ring_refuses_and_counts_then_recovers():
    intake = rows.make_intake(UNITS, 4, retain_us=100)
    take(intake, [7] * 6, range(6), [1, 2, 3, 4, 5, 6])
    assert kinds(intake)["on_time"] == 4
    assert kinds(intake)["lost"] == 2
    take(intake, [7] * 2, [6, 7], [200, 201])
    assert kinds(intake)["on_time"] == 6, "what is older than is retained makes room"


def test_watermarks_never_step_back():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [-1, -1, -1], range(3), [10, 5, None])
    assert intake.state[rows.WATERMARK_US] == 10
    assert kinds(intake)["malformed"] == 1


def test_stamps_become_microseconds_and_nonsense_is_marked():
    stamps = np.array([1.000001, 12345.678901, np.nan, np.inf, -np.inf, 1e300, 0.0])
    out = np.zeros(7, np.int64)
    stamps_to_us(stamps, 7, out)
    assert out.tolist() == [1_000_001, 12_345_678_901, *[INVALID_US] * 4, 0]


@given(st.lists(st.integers(0, 2**31 - 1), max_size=300, unique=True), st.integers(0, 2**31 - 1))
def test_look_up_is_a_dict(ids, stranger):
    keys, key_rows = make_lookup(np.array(ids, np.int64))
    table = {unit_id: row for row, unit_id in enumerate(ids)}
    for unit_id in [*ids, stranger, -1]:
        assert find_row(unit_id, keys, key_rows) == table.get(unit_id, -1)


def test_a_duplicate_is_not_looked_for_where_the_ring_was_written_over():
    intake = rows.make_intake(UNITS, 2, retain_us=-1000)
    take(intake, [7, 3, 3], range(3), [50, 60, 40], dedup_us=100)
    take(intake, [7], [3], [40], dedup_us=100)
    assert kinds(intake)["on_time"] == 4, "the slot of 7's only spike holds one of 3 at 40"


def test_a_spike_exactly_as_old_as_the_dedup_window_does_not_end_the_look_back():
    intake = rows.make_intake(UNITS, 64, retain_us=0)
    take(intake, [7, 7, 7], range(3), [100, 60, 100], dedup_us=40)
    assert kinds(intake)["duplicate"] == 1
