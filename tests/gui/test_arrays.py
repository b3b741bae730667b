"""The display's arrays and tallies, against plain loops and figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.gui.freshness import HEALTH_GRACE_S, SPIKES_SILENT_S, Freshness
from rtdecode.gui.history import history_image, thickened, usual_interval_us
from rtdecode.gui.performance import RUNNING, Performance
from rtdecode.gui.raster import (
    MAX_COUNT,
    ONSET,
    WINDOW,
    Band,
    Span,
    UnitOrder,
    draw_onsets,
    raster_image,
    shade_windows,
)
from rtdecode.gui.rates import KEPT, Rates
from rtdecode.gui.rings import SlidingTable, SpikeTable
from rtdecode.gui.rolling import RollingRaster
from rtdecode.gui.timing import EDGES_MS, ROWS, Timing
from tests.gui import known


@given(st.integers(1, 7), st.lists(st.lists(st.integers(0, 99), max_size=20), max_size=12))
def test_sliding_table_keeps_the_newest_rows(keep: int, chunks: list[list[int]]) -> None:
    table, wanted = SlidingTable(keep, np.int64), []
    for chunk in chunks:
        table.extend(np.array(chunk, np.int64))
        wanted = (wanted + chunk)[-keep:]
        assert table.rows.tolist() == wanted
        assert len(table) == len(wanted)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-1, 3)), max_size=60),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_spikes_of_a_span_are_found_in_any_order(
    spikes: list[tuple[int, int]], start: int, stop: int
) -> None:
    table = SpikeTable(100)
    for time, row in spikes:
        table.extend(np.array([time]), np.array([row], np.int32))
    times, rows = table.between(start, stop)
    wanted = [(t, r) for t, r in spikes if start <= t < stop]
    assert list(zip(times.tolist(), rows.tolist(), strict=True)) == wanted


def test_a_spike_far_in_the_future_hides_none_of_those_after_it() -> None:
    table = SpikeTable(100)
    table.extend(np.array([10, 10_000_000_000, 20]), np.array([0, 1, 2], np.int32))
    assert table.between(0, 30)[1].tolist() == [0, 2]


def test_units_lie_by_area_and_from_the_top_of_the_probe() -> None:
    order = UnitOrder.of(known.units(4))
    # 100 and 102 are in VISp, 101 and 103 in LGd; heights fall with the id.
    ids = np.array([100, 101, 102, 103, 999], np.int32)
    assert order.rows_of(ids).tolist() == [2, 0, 3, 1, -1]
    assert order.bands == (Band("LGd", 0, 2), Band("VISp", 2, 4))


def test_no_units_no_rows() -> None:
    order = UnitOrder.of(known.units(0))
    assert order.rows_of(np.array([100], np.int32)).tolist() == [-1]
    assert order.bands == ()


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(-1, 9)), max_size=200),
    st.integers(1, 15),
)
def test_raster_counts_every_known_spike_once(spikes: list[tuple[int, int]], height: int) -> None:
    times = np.array([t for t, _ in spikes], np.int64)
    rows = np.array([r for _, r in spikes], np.int32)
    image = raster_image(times, rows, 10, Span(0, 10, 10), height)
    wanted = np.zeros((min(10, height), 10), int)
    for time, row in spikes:
        if row >= 0:
            wanted[row * min(10, height) // 10, time // 10] += 1
    np.testing.assert_array_equal(image, np.minimum(wanted, MAX_COUNT))


def test_windows_are_shaded_and_onsets_drawn() -> None:
    span = Span(100, 10, 6)
    image = np.zeros((2, 6), np.uint8)
    image[1, 2] = 3
    # From before the span into its first column, and over columns 2 and 3.
    shade_windows(image, span, np.array([0, 120]), np.array([110, 140]))
    draw_onsets(image, span, np.array([99, 130, 160]))
    assert image[0].tolist() == [WINDOW, 0, WINDOW, ONSET, 0, 0]
    assert image[1].tolist() == [WINDOW, 0, WINDOW + 3, ONSET, 0, 0]


def test_a_span_moves_by_whole_columns() -> None:
    spans = {Span.ending(end, 1_000, 10) for end in range(5_000, 5_100)}
    assert spans == {Span(4_100, 100, 10)}
    assert Span.ending(5_100, 1_000, 10) == Span(4_200, 100, 10)


def test_history_holds_a_decision_until_the_next_or_its_time_is_over() -> None:
    times = np.array([100, 300])
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    image = history_image(times, probabilities, Span(0, 100, 7), hold_us=250)
    # Columns end at 100 … 700; a decision at 100 belongs to the column that begins there.
    assert image[0].tolist() == [0, 255, 255, 1, 1, 1, 0]
    assert image[1].tolist() == [0, 1, 1, 255, 255, 255, 0]


def test_history_shows_no_probability_that_is_not_a_number() -> None:
    image = history_image(
        np.array([0]), np.array([[np.nan, 0.5]], np.float32), Span(0, 100, 1), 1_000
    )
    assert image.tolist() == [[0], [128]]


def test_history_sorts_after_a_clock_that_stepped_back() -> None:
    span = Span(0, 100, 4)
    rows = np.array([[1.0], [0.5]], np.float32)
    straight = history_image(np.array([50, 250]), rows, span, 1_000)
    back = history_image(np.array([250, 50]), rows[::-1], span, 1_000)
    np.testing.assert_array_equal(straight, back)


def test_thickening_never_covers_a_likelier_class() -> None:
    levels = np.array([[0], [200], [0], [0], [100]], np.uint8)
    assert thickened(levels, 1).ravel().tolist() == [200, 200, 200, 100, 100]
    assert thickened(levels, 0).ravel().tolist() == [0, 200, 0, 0, 100]


def test_usual_interval_is_the_median() -> None:
    assert usual_interval_us(np.array([0, 10, 20, 500]), 7) == 10
    assert usual_interval_us(np.array([5]), 7) == 7


def test_performance_counts_right_wrong_and_foreign() -> None:
    performance = Performance(("a", "b"))
    said = [("a", "a"), ("b", "a"), ("b", "b"), ("a", "z"), ("a", "")]
    performance.add(known.decision(i, top, label) for i, (top, label) in enumerate(said))
    assert (performance.n, performance.n_correct, performance.foreign) == (4, 2, 1)
    assert performance.confusion.tolist() == [[1, 1], [0, 1]]
    assert performance.overall == performance.running == 0.5
    assert performance.chance == 0.5


def test_running_accuracy_forgets() -> None:
    performance = Performance(("a", "b"))
    performance.add(known.decision(i, "a", "b") for i in range(RUNNING))
    performance.add(known.decision(i, "a", "a") for i in range(RUNNING))
    assert performance.running == 1.0
    assert performance.overall == 0.5
    np.testing.assert_allclose(performance.curve[RUNNING - 1], 0.0)


def test_reliability_of_known_probabilities() -> None:
    performance = Performance(("a", "b"))
    performance.add(known.decision(i, "a", "a", p=0.95) for i in range(3))
    performance.add([known.decision(3, "a", "b", p=0.95), known.decision(4, "a", "b", p=0.55)])
    found = performance.reliability
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 4]
    assert found.found[9] == 0.75
    assert found.stated[9] == pytest.approx(0.95)
    assert found.error == pytest.approx((4 * 0.20 + 1 * 0.55) / 5)


def test_timing_percentiles_and_deadline() -> None:
    timing = Timing(keep=100)
    slow = {**known.STAGES_MS, "infer": 10.0}
    timing.add([known.decision(i, "0") for i in range(99)], 5.0)
    timing.add([known.decision(99, "0", stages_ms=slow)], 5.0)
    table = dict(zip(ROWS, timing.percentiles(), strict=True))
    assert table["wait"].tolist() == pytest.approx([0.1] * 4)
    assert table["total"][0] == pytest.approx(0.9)
    assert table["total"][3] == pytest.approx(10.62)
    assert timing.over_deadline == 1
    infer = timing.histograms()[ROWS.index("infer")]
    assert infer.sum() == pytest.approx(1.0)
    assert infer[np.searchsorted(EDGES_MS, 0.28) - 1] == pytest.approx(0.99)


def test_a_stage_that_was_not_measured_is_unknown_not_nought() -> None:
    timing = Timing()
    timing.add([known.decision(0, "0", stages_ms={"infer": 1.0})], 5.0)
    table = dict(zip(ROWS, timing.percentiles(), strict=True))
    assert np.isnan(table["wait"]).all()
    assert table["total"][0] == 1.0


def test_a_stream_is_silent_only_after_it_has_spoken() -> None:
    fresh = Freshness()
    assert fresh.silent(100.0) == {}
    fresh.hear({"spikes"}, 100.0)
    assert fresh.silent(100.0 + SPIKES_SILENT_S) == {}
    assert fresh.silent(100.5) == {"spikes": pytest.approx(0.5)}
    fresh.hear({"spikes"}, 101.0)
    assert fresh.silent(101.1) == {}


@pytest.mark.parametrize("pace_s", [0.1, 0.2, 0.5])
def test_health_is_silent_by_its_own_pace(pace_s: float) -> None:
    fresh = Freshness()
    for beat in range(60):
        fresh.hear({"health"}, beat * pace_s)
    last = 59 * pace_s
    assert fresh.silent(last + 1.2 * pace_s) == {}
    assert "health" in fresh.silent(last + pace_s + HEALTH_GRACE_S + 0.01)


def test_a_burst_at_first_does_not_become_the_pace() -> None:
    fresh = Freshness()
    for moment in (0.0, 0.03, 0.06):
        fresh.hear({"health"}, moment)
    assert fresh.silent(0.06 + 0.5) == {}


def test_a_long_silence_does_not_become_the_pace() -> None:
    fresh = Freshness()
    for beat in range(20):
        fresh.hear({"health"}, beat * 0.5)
    fresh.hear({"health"}, 1_000.0)
    assert "health" in fresh.silent(1_001.0)


def test_rates_of_short_spans_are_smoothed_and_entered_once_a_second() -> None:
    rates, rng = Rates(), np.random.default_rng(1)
    reported = 1_000.0 + 400.0 * rng.standard_normal(200)
    shown = []
    for beat, rate in enumerate(reported):
        rates.add(float(rate), 50.0 + 0.21 * beat)
        shown.append(rates.now)
    # The mean over a second has a fifth of the variance of what is reported.
    assert np.std(shown[10:]) < 0.6 * reported.std()
    assert shown[30] == pytest.approx(reported[26:31].mean())
    assert len(rates.curve) == 42
    assert np.mean(rates.curve) == pytest.approx(reported.mean(), rel=0.1)


def test_seconds_without_a_report_are_gaps_not_nought() -> None:
    rates = Rates()
    assert np.isnan(rates.now)
    rates.add(5.0, 0.0)
    rates.add(7.0, 4.0)
    np.testing.assert_array_equal(rates.curve, [5.0, np.nan, np.nan, np.nan, 7.0])
    rates.add(9.0, 1e6)
    assert len(rates.curve) == KEPT
    assert rates.curve[-1] == 9.0


FRAMES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 300), st.integers(-1, 9)), max_size=20),
        st.integers(-5, 60),
        st.sampled_from(["", "", "", "", "clear", "taller"]),
    ),
    max_size=12,
)


@given(FRAMES, st.sampled_from([30, 400]))
def test_a_rolling_raster_is_the_one_that_is_counted_anew(
    frames: list[tuple[list[tuple[int, int]], int, str]], keep: int
) -> None:
    """Whatever comes late or from the future, and however the view moves."""
    table, rolling, start, height = SpikeTable(keep), RollingRaster(), 50, 4
    for spikes, on, turn in frames:
        if turn == "clear":
            table.clear()
        height += turn == "taller"
        table.extend(
            np.array([t for t, _ in spikes], np.int64), np.array([r for _, r in spikes], np.int32)
        )
        start += on // 10 * 10
        span = Span(start, 10, 8)
        drawn = rolling.image(table, 10, span, height)
        if table.n <= keep:  # else what was seen of those now forgotten stays in the picture
            times, rows = table.between(span.start_us, span.stop_us)
            np.testing.assert_array_equal(drawn, raster_image(times, rows, 10, span, height))
