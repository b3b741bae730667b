"""Windows at a fixed hop: each is decided once, in order, or counted as passed over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import KINDS, NEWEST_US, WATERMARK_US, WATERMARKS
from rtdecode.windows import Hops, WindowSpec
from tests.kernels.reference import bin_window
from tests.test_engine import LATENESS_US, SPEC, UNITS, Source, total_by_unit

HOP_US = 40
STEP_US = 10_000_000  # ten seconds
AHEAD_US = 5_000


def sliding_engine(hop_us=HOP_US, **changes):
    """An engine whose windows of 100 us end on every whole hop."""
    chosen = {"lateness_us": LATENESS_US, "dedup_us": 200, "retain_us": 500, "hop_us": hop_us}
    return Engine(UNITS, SPEC, total_by_unit, EngineSettings(**chosen | changes))


def ends(decisions):
    """Ends of the sliding windows among these decisions."""
    return [d.window.end_us for d in decisions if d.window.sliding]


def test_they_open_by_themselves_overlap_and_end_on_whole_hops():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 10)], 10)
    assert ends(engine.step(10)) == []
    source.send([(0, 150), (-1, 200)], 200)
    decisions = [(d.window.end_us, d.window.start_us, d.in_window) for d in engine.step(200)]
    assert decisions == [(120, 20, 0), (160, 60, 1), (200, 100, 1)]
    assert engine.next_end_us == 240


def test_the_onset_is_the_one_that_the_windows_offset_belongs_to():
    engine = sliding_engine()
    Source(engine).send([(-1, 0), (-1, 200)], 200)
    first = next(iter(engine.step(200))).window
    assert first.onset_us + SPEC.offset_us == first.start_us == first.end_us - SPEC.duration_us
    assert first.label == ""


def test_without_a_watermark_they_close_by_lateness():
    engine = sliding_engine()
    Source(engine).send([(0, 0), (0, 130)], 130)
    assert ends(engine.step(120 + LATENESS_US - 1)) == []
    (decision,) = engine.step(120 + LATENESS_US)
    assert not decision.by_watermark
    assert decision.window.end_us == 120


def test_after_stale_data_what_was_missed_is_counted_and_not_decided():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 0), (-1, 200)], 200)
    before = ends(engine.step(200))
    stale = ends(engine.step(STEP_US))
    assert stale == []
    assert engine.next_end_us is None, "no window opens where there is no data"
    source.send([(-1, STEP_US)], STEP_US)
    after = ends(engine.step(STEP_US))
    patience_us = 2 * LATENESS_US + HOP_US
    oldest_us = -(-(STEP_US - patience_us) // HOP_US) * HOP_US
    assert after == list(range(oldest_us, STEP_US + 1, HOP_US))
    assert engine.skipped == STEP_US // HOP_US - (before[0] // HOP_US - 1) - len(before + after)


def test_a_decoder_that_is_too_slow_skips_and_keeps_up():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.slide_until(4000)
    late_us, decided = 0, []
    for end_us in range(HOP_US, 4001, HOP_US):
        source.send([(-1, end_us)], end_us)
        for decision in engine.step(end_us + late_us):
            decided.append(decision)
            late_us += HOP_US * 3 // 2  # each decision takes longer than a hop
        late_us = max(0, late_us - HOP_US)
    assert engine.skipped > 10
    assert len(decided) > 10
    assert len(decided) + engine.skipped == len(range(120, 4001, HOP_US))


def test_after_the_end_none_opens_and_open_ones_are_dropped():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 0), (-1, 130)], 130)
    assert ends(engine.step(130)) == [120]
    engine.slide_until(160)
    source.send([(-1, 240)], 240)
    assert ends(engine.step(240)) == [160]
    assert engine.next_end_us is None
    assert engine.skipped == 0


def test_they_begin_again_with_a_source_that_goes_on_after_the_end():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 0), (-1, 130)], 130)
    assert ends(engine.step(130)) == [120]
    engine.slide_until(130)
    source.send([(-1, 130)], 130)
    assert ends(engine.step(130)) == []
    source.send([(-1, STEP_US)], STEP_US)
    assert ends(engine.step(STEP_US)) == [], "none reaches over the pause"
    source.send([(0, STEP_US + 50), (-1, STEP_US + 150)], STEP_US + 150)
    again = [(d.window.end_us, d.in_window) for d in engine.step(STEP_US + 150)]
    assert again == [(STEP_US + 120, 1)]
    assert engine.skipped == 0


def test_markers_open_theirs_beside_them():
    engine = sliding_engine()
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(15, "a")
    source.send([(-1, 160)], 160)
    found = [(d.window.end_us, d.window.label) for d in engine.step(160)]
    assert found == [(120, ""), (135, "a"), (160, "")]


@pytest.mark.parametrize("hop_us", [-10, 30, 7_000, 3_000_000])
def test_a_hop_that_fits_no_second_is_refused(hop_us):
    with pytest.raises(UserError, match=r"a second is a whole number.*give one, as 10 or 20"):
        Hops(hop_us, SPEC)


# Data that come on, stop, jump by seconds; a clock that steps; markers about them.
moves = st.lists(
    st.one_of(
        st.tuples(st.just("spikes"), st.lists(st.integers(-300, 60), max_size=8)),
        st.tuples(st.just("watermark"), st.integers(0, 300)),
        st.tuples(st.just("data jump"), st.sampled_from([2_000, STEP_US, -STEP_US])),
        st.tuples(st.just("both jump"), st.sampled_from([2_000, STEP_US, -STEP_US])),
        st.tuples(st.just("clock"), st.integers(0, 150)),
        st.tuples(st.just("clock jump"), st.sampled_from([STEP_US, -STEP_US])),
        st.tuples(st.just("marker"), st.integers(-400, 400)),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(moves)
def test_every_window_is_decided_once_in_order_or_skipped_whatever_the_clocks_do(moves):
    engine = sliding_engine(ahead_us=AHEAD_US)
    source, decided, marked = Source(engine), [], 0
    clock_us = data_us = 1000
    source.send([(-1, data_us)], clock_us)
    decided += engine.step(clock_us)
    for move, value in moves:
        match move:
            case "spikes":
                source.send([(11, data_us + dt) for dt in value], clock_us)
            case "watermark":
                data_us += value
                clock_us += value
                source.send([(-1, data_us)], clock_us)
            case "data jump" | "both jump":
                clock_us += value if move == "both jump" else 0
                data_us += value
                source.send([(0, data_us), (-1, data_us)], clock_us)
            case "clock" | "clock jump":
                clock_us += value
            case _:
                engine.mark(data_us + value)
                marked += 1
        decided += engine.step(clock_us)
    reached_us = int(engine.intake.state[[WATERMARK_US, NEWEST_US]].max())
    assert len(engine._open) <= (AHEAD_US + SPEC.duration_us) // HOP_US + marked + 1
    decided += engine.step(10 * STEP_US + 10**9)
    found = ends(decided)
    begun = range(1120, reached_us + SPEC.duration_us + 1, HOP_US)
    assert found == sorted(set(found))
    assert set(found) <= set(begun)
    assert len(found) + engine.skipped == len(begun)
    assert len(decided) - len(found) == marked
    assert engine.next_end_us is None
    spikes = np.sum([d.spikes for d in decided], axis=0) if decided else np.zeros(len(KINDS))
    assert (spikes <= list(engine.totals.values())).all()
    assert source.sequence == sum(engine.totals.values()) + engine.intake.tally[WATERMARKS]


@given(
    st.lists(st.tuples(st.sampled_from(UNITS.tolist()), st.integers(0, 2000)), max_size=150),
    st.sampled_from([5, 40, 100, 200]),
)
def test_their_counts_are_numpys_with_several_open_at_once(spikes, hop_us):
    spec = WindowSpec(0, 100, 20)
    engine = Engine(
        UNITS, spec, total_by_unit, EngineSettings(lateness_us=100, dedup_us=0, hop_us=hop_us)
    )
    source, found = Source(engine), {}
    source.send([(-1, 0)], 0)
    ordered = sorted(spikes, key=lambda spike: spike[1])
    for now_us in range(0, 2200, 60):
        due = [spike for spike in ordered if now_us - 60 <= spike[1] < now_us]
        source.send([*due, (-1, now_us)], now_us)
        for decision in engine.step(now_us):
            assert decision.complete
            found[decision.window.start_us] = decision.counts.copy()
    assert list(found) == [end - 100 for end in range(100, 2161) if end % hop_us == 0]
    rows = [unit_id // 11 for unit_id, _ in ordered]
    for start_us, counts in found.items():
        expected = bin_window([t for _, t in ordered], rows, start_us, 20, 5, 5)
        np.testing.assert_array_equal(counts, expected)
