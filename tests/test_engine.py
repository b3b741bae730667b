"""The engine: windows open, complete, close; sums hold; arrival order does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.engine import Engine, EngineSettings
from rtdecode.kernels.ingest import KINDS
from rtdecode.windows import WindowSpec
from tests.kernels.reference import bin_window

UNITS = np.arange(5, dtype=np.int64) * 11
SPEC = WindowSpec(20, 100, 20)
LATENESS_US = 30


def total_by_unit(counts):
    """A stand-in model whose answer depends on every count."""
    weights = np.arange(1, counts.shape[0] + 1)
    return (weights @ counts).astype(np.float32)


def new_engine(**changes):
    """An engine of five units with a small ring."""
    chosen = {"lateness_us": LATENESS_US, "dedup_us": 200, "ahead_us": 10_000, "retain_us": 500}
    return Engine(UNITS, SPEC, total_by_unit, EngineSettings(**chosen | changes))


class Source:
    """Numbers rows as a sender does."""

    def __init__(self, engine):
        self.engine = engine
        self.sequence = 0

    def send(self, rows, now_us):
        """Rows of (unit id, microseconds), -1 for a watermark."""
        samples = np.array([(u, self.sequence + i) for i, (u, _) in enumerate(rows)], np.int32)
        times_us = np.array([t for _, t in rows], np.int64)
        self.engine.ingest(samples.reshape(-1, 2), times_us, now_us)
        self.sequence += len(rows)


def test_a_window_closes_on_the_watermark_and_not_before():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100, "a")
    source.send([(0, 130), (11, 219), (22, 220), (-1, 219)], 219)
    assert list(engine.step(219)) == []
    source.send([(-1, 220)], 220)
    (decision,) = engine.step(220)
    assert decision.by_watermark
    assert decision.complete
    assert decision.in_window == 2, "a spike at the window's end is not in it"
    assert decision.counts[0, 0] == 1
    assert decision.counts[4, 1] == 1


def test_without_a_watermark_lateness_closes_and_says_so():
    engine = new_engine()
    source = Source(engine)
    engine.mark(100)
    source.send([(0, 130)], 130)
    assert list(engine.step(220 + LATENESS_US - 1)) == []
    (decision,) = engine.step(220 + LATENESS_US)
    assert not decision.by_watermark
    assert not decision.complete
    assert decision.in_window == 1


def test_a_spike_of_a_closed_window_is_late_and_left_out():
    engine = new_engine()
    source = Source(engine)
    engine.mark(100)
    list(engine.step(1000))
    source.send([(0, 219), (0, 220)], 1000)
    assert engine.totals["late"] == 1
    assert engine.totals["on_time"] == 1


def test_a_late_spike_is_known_to_be_missing_in_a_window_that_overlaps():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    list(engine.step(1000))
    source.send([(0, 200)], 1000)
    for onset_us in (150, 181):
        engine.mark(onset_us)
    source.send([(-1, 400)], 1000)
    assert [decision.complete for decision in engine.step(1000)] == [False, True]


@pytest.mark.parametrize(("onset_us", "too_old"), [(379, True), (380, True), (381, False)])
def test_a_window_of_which_nothing_was_heard_is_too_old(onset_us, too_old):
    engine = new_engine()
    assert not engine.is_too_old(onset_us), "nothing is known before the first row"
    Source(engine).send([(-1, 500)], 500)
    assert engine.is_too_old(onset_us) is too_old


def test_a_window_whose_spikes_are_forgotten_is_too_old():
    engine = new_engine(capacity=8, retain_us=0)
    source = Source(engine)
    source.send([(-1, 0), *((0, 200 * i) for i in range(1, 8))], 5000)
    assert not engine.is_too_old(100)
    source.send([(0, 200 * i) for i in range(8, 18)], 5000)  # leaves 2000 to 3400
    assert [engine.is_too_old(onset_us) for onset_us in (1700, 2100)] == [True, False]


def test_a_marker_may_come_after_its_spikes_and_their_watermark():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0), (0, 130), (0, 140), (-1, 400)], 400)
    engine.mark(100)
    (decision,) = engine.step(400)
    assert decision.complete
    assert decision.in_window == 2


def test_overlapping_windows_see_the_same_spike():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    for onset_us in (100, 130, 160):
        engine.mark(onset_us)
    source.send([(0, 190), (-1, 300)], 300)
    decisions = [(d.window.onset_us, d.in_window) for d in engine.step(300)]
    assert decisions == [(100, 1), (130, 1), (160, 1)]


def test_a_window_from_before_we_listened_is_not_complete():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 150)], 150)
    engine.mark(100)
    source.send([(-1, 220)], 220)
    (decision,) = engine.step(220)
    assert decision.by_watermark
    assert not decision.complete


@pytest.mark.parametrize(("lost_at", "complete"), [(110, True), (150, False)])
def test_a_gap_in_the_sequence_spoils_the_windows_it_may_touch(lost_at, complete):
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.sequence += 3
    source.send([(0, lost_at), (-1, 220)], 220)
    (decision,) = engine.step(220)
    assert decision.complete is complete
    assert engine.totals["lost"] == 3


def test_what_is_lost_of_a_block_may_be_later_than_the_row_after_it():
    """Blocks of spikes in no order, under a watermark that trails by more than a block."""
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.sequence += 1  # of a spike at 150
    source.send([(0, 118), (-1, 90), (11, 145), (-1, 117)], 160)
    source.send([(22, 170), (-1, 220)], 260)
    (decision,) = engine.step(260)
    assert decision.by_watermark
    assert not decision.complete
    engine.mark(160)
    source.send([(0, 240), (-1, 280)], 300)
    (decision,) = engine.step(300)
    assert decision.complete, "what came after the watermark had passed is sure again"


def test_a_ring_that_is_full_counts_and_the_window_is_not_complete():
    engine = new_engine(capacity=8)
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.send([(0, 130 + i) for i in range(20)] + [(-1, 220)], 220)
    (decision,) = engine.step(220)
    assert decision.in_window == 8
    assert not decision.complete
    assert engine.totals == dict.fromkeys(KINDS, 0) | {"on_time": 8, "lost": 12}


def test_a_stamp_from_another_clock_is_malformed_and_spoils_nothing():
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.send([(0, 10**12), (-1, 10**12), (0, 130), (-1, 220)], 220)
    (decision,) = engine.step(220)
    assert engine.totals["malformed"] == 2
    assert decision.in_window == 1
    assert decision.complete


rows = st.lists(
    st.tuples(st.sampled_from([*UNITS.tolist(), 99]), st.integers(0, 1500)), max_size=200
)
onsets = st.lists(st.integers(0, 1200), min_size=1, max_size=8)


@settings(max_examples=150)
@given(rows, onsets, st.randoms(use_true_random=False), st.integers(0, LATENESS_US))
def test_arrival_order_changes_no_window(spikes, onsets, random, disorder_us):
    """Shuffled within the lateness, under watermarks that keep their word."""
    ordered = sorted(spikes, key=lambda spike: spike[1])
    jittered = sorted(ordered, key=lambda spike: spike[1] + random.uniform(0, disorder_us))
    assert decide_all(ordered, onsets, 0) == decide_all(jittered, onsets, disorder_us)


def decide_all(spikes, onsets, disorder_us):
    """Feed row after row with a watermark that trails by the disorder; what was decided."""
    engine = new_engine()
    source = Source(engine)
    source.send([(-1, -1000)], 0)
    for onset_us in onsets:
        engine.mark(onset_us, label=str(onset_us))
    decided, newest = [], 0
    for unit_id, time_us in [*spikes, (99, 5000)]:
        newest = max(newest, time_us)
        source.send([(unit_id, time_us), (-1, newest - disorder_us)], newest)
        decided += [snapshot(decision) for decision in engine.step(newest - disorder_us)]
    assert sum(engine.totals.values()) == len(spikes) + 1
    assert engine.totals["late"] == 0
    return sorted(decided)


def snapshot(decision):
    """What must not depend on the order of arrival."""
    window = decision.window
    return (
        window.end_us,
        window.label,
        decision.in_window,
        decision.complete,
        decision.counts.tobytes(),
        decision.probabilities.tobytes(),
    )


@given(rows, st.integers(0, 1200))
def test_counts_are_numpys_and_rows_since_the_last_decision_add_up(spikes, onset_us):
    engine = new_engine(dedup_us=0, retain_us=5000)
    source = Source(engine)
    engine.mark(onset_us)
    engine.mark(onset_us + 5)
    source.send([*spikes, (-1, 5000)], 5000)
    decisions = [(d.counts.copy(), d.spikes) for d in engine.step(5000)]
    row_of = {unit_id: row for row, unit_id in enumerate(UNITS.tolist())}
    times_us = [t for _, t in spikes]
    expected = bin_window(times_us, [row_of.get(u, -1) for u, _ in spikes], onset_us + 20, 20, 5, 5)
    np.testing.assert_array_equal(decisions[0][0], expected)
    since = np.sum([spikes_by_kind for _, spikes_by_kind in decisions], axis=0)
    assert dict(zip(KINDS, since.tolist(), strict=True)) == engine.totals
