"""The compiled intake against the plain one, row for row, whatever arrives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.kernels import ingest as rows
from rtdecode.kernels.ring import HEAD, OPEN_FROM_US, bin_ring_window
from rtdecode.microseconds import FOREVER_US, INVALID_US, NEVER_US
from tests.kernels.model import PlainIntake
from tests.kernels.reference import bin_window

UNITS = [7, 950_000_123, 3]
WRAP = rows.SEQUENCE_MASK + 1
LATEST_US = 3000

# Few distinct times, so that equal ones, late ones and duplicates are common.
times = st.one_of(
    st.none(),
    st.integers(0, 60),
    st.integers(0, 2000),
    st.sampled_from([LATEST_US, LATEST_US + 1, 2**61]),
)
unit_ids = st.sampled_from([*UNITS, *UNITS, 8, -1, -1, -2, -(2**31), 2**31 - 1])
steps = st.one_of(
    st.just(1),
    st.just(1),
    st.integers(-3, 4),
    st.integers(-3000, 3000),
    st.just(rows.HALF_SEQUENCE),
)
row = st.tuples(unit_ids, steps, times)
chunk = st.tuples(
    st.lists(row, max_size=25),
    st.one_of(st.none(), st.integers(0, 2000)),  # a window that ends here closes
    st.one_of(st.none(), st.integers(0, 2000)),  # the earliest open window starts here
)
intakes = st.fixed_dictionaries(
    {
        "capacity": st.sampled_from([2, 4, 16, 256]),
        "retain_us": st.sampled_from([0, 50, 1000]),
        "dedup_us": st.sampled_from([0, 5, 200, 10_000]),
    }
)


def run_both(chunks, first, options):
    """Feed both intakes the same chunks; the sequence goes from ``first`` by each row's step."""
    plain = PlainIntake(UNITS, **options)
    dedup_us = options["dedup_us"]
    intake = rows.make_intake(np.array(UNITS), options["capacity"], options["retain_us"])
    sequence = first
    for arrivals, closed_us, open_us in chunks:
        samples, stamps = np.zeros((len(arrivals), 2), np.int32), np.zeros(len(arrivals), np.int64)
        for i, (unit_id, step, time_us) in enumerate(arrivals):
            sequence = (sequence + step) % WRAP
            samples[i] = unit_id, sequence
            stamps[i] = INVALID_US if time_us is None else time_us
            plain.take(unit_id, sequence, time_us, LATEST_US)
        rows.ingest(intake, samples, stamps, len(arrivals), LATEST_US, dedup_us)
        if closed_us is not None:
            intake.state[rows.CLOSED_US] = max(intake.state[rows.CLOSED_US], closed_us)
            plain.closed_us = int(intake.state[rows.CLOSED_US])
        plain.open_from_us = FOREVER_US if open_us is None else open_us
        intake.ring.state[OPEN_FROM_US] = plain.open_from_us
    return intake, plain


def state_of(plain):
    """The plain intake's numbers as the compiled one keeps them."""
    known = (plain.watermark_us, plain.closed_us, plain.newest_us, plain.first_us, plain.gap_us)
    times_us = [NEVER_US if time_us is None else time_us for time_us in known]
    unsure_us = NEVER_US if plain.unsure_us is None else plain.unsure_us
    return [*times_us, -1 if plain.expected is None else plain.expected, unsure_us]


@settings(max_examples=400)
@given(
    st.lists(chunk, max_size=8),
    st.one_of(st.integers(0, 50), st.integers(WRAP - 60, WRAP - 1)),
    intakes,
)
def test_every_row_is_what_the_plain_intake_says(chunks, first, options):
    intake, plain = run_both(chunks, first, options)
    assert intake.tally.tolist() == list(plain.tally.values())
    assert intake.state.tolist() == state_of(plain)
    assert intake.ring.state[HEAD] == len(plain.kept)
    capacity = len(intake.ring.times_us)
    held = list(enumerate(plain.kept))[-capacity:]
    for number, (time_us, row) in held:
        slot = number % capacity
        assert (intake.ring.times_us[slot], intake.ring.rows[slot]) == (time_us, row)
        assert intake.ring.peak_us[slot] == max(t for t, _ in plain.kept[: number + 1])


@settings(max_examples=200)
@given(
    st.lists(chunk, max_size=8), st.integers(0, 50), intakes, st.integers(-50, 2000),
    st.integers(1, 6), st.integers(1, 400),
)  # fmt: skip
def test_any_window_of_the_ring_is_numpys(chunks, first, options, start_us, n_bins, bin_us):
    intake, plain = run_both(chunks, first, options)
    out = np.full((n_bins, len(UNITS)), 9, np.uint16)
    added = bin_ring_window(intake.ring, start_us, bin_us, out)
    held = plain.kept[-len(intake.ring.times_us) :]
    times_us, held_rows = [t for t, _ in held], [row for _, row in held]
    expected = bin_window(times_us, held_rows, start_us, bin_us, n_bins, len(UNITS))
    np.testing.assert_array_equal(out, expected)
    assert added == expected.sum()


@settings(max_examples=200)
@given(st.lists(chunk, max_size=8), st.integers(0, WRAP - 1), intakes)
def test_every_row_is_exactly_one_thing(chunks, first, options):
    intake, plain = run_both(chunks, first, options)
    sent = sum(len(arrivals) for arrivals, _, _ in chunks)
    tally = intake.tally
    assert tally[rows.ROWS] == sent
    assert (tally >= 0).all()
    never_came = tally[rows.LOST] - plain.refused  # what a full ring refused is lost as well
    kinds = tally[: len(rows.KINDS)].sum() + tally[rows.WATERMARKS]
    assert kinds == sent + never_came


@given(st.lists(st.tuples(st.sampled_from(UNITS), st.integers(0, 2000)), max_size=80), st.data())
def test_where_rows_are_dropped_on_the_way_what_arrived_and_what_was_lost_is_all(sent, data):
    """Numbered, then thinned: all is known but what was before the first and after the last."""
    kept = data.draw(st.lists(st.booleans(), min_size=len(sent), max_size=len(sent)))
    intake = rows.make_intake(np.array(UNITS), 256, 0)
    places = [i for i, keep in enumerate(kept) if keep]
    overtaken = data.draw(st.permutations(places[1:]))
    places = places[:1] + overtaken
    samples = np.array([(sent[i][0], i) for i in places], np.int32).reshape(-1, 2)
    stamps = np.array([sent[i][1] for i in places], np.int64)
    rows.ingest(intake, samples, stamps, len(places), LATEST_US, 10_000)
    total = max(places) + 1 - min(places) if places else 0
    assert intake.tally[: len(rows.KINDS)].sum() == total


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_how_a_stream_is_cut_into_pulls_changes_nothing(pieces):
    rng = np.random.default_rng(pieces)
    n = 500
    samples = np.stack([rng.choice([*UNITS, 8, -1], n), np.arange(n)], 1).astype(np.int32)
    stamps = np.arange(n, dtype=np.int64) * 5 + rng.integers(0, 40, n)
    whole, cut = (rows.make_intake(np.array(UNITS), 128, 100) for _ in range(2))
    rows.ingest(whole, samples, stamps, n, LATEST_US, 50)
    for part in np.array_split(np.arange(n), pieces):
        rows.ingest(cut, samples[part], stamps[part], len(part), LATEST_US, 50)
    assert whole.tally[rows.ON_TIME] > 200
    for a, b in zip(
        [*whole.ring, whole.tally, whole.state], [*cut.ring, cut.tally, cut.state], strict=True
    ):
        np.testing.assert_array_equal(a, b)
