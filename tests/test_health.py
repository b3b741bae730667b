"""What the decoder keeps and says of itself: state, rates, latency, posteriors."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.health import STEPPED, Health, State
from rtdecode.latency import STAGES, LatencyLog, percentiles
from rtdecode.posteriors import PosteriorLog
from rtdecode.score import Score
from rtdecode.windows import WindowSpec

STALE_US = 300_000
UNITS = np.array([4, 9], np.int64)
SPEC = WindowSpec(0, 100_000, 50_000)


def say(counts):
    """A stand-in model: the first class is as likely as its spikes are many."""
    share = counts.sum() / 10
    return np.array([share, 1 - share], np.float32)


def fed_engine(n, at_us=1_000_000):
    """An engine that took n spikes and a watermark."""
    engine = Engine(UNITS, SPEC, say)
    feed(engine, n, at_us)
    return engine


def feed(engine, n, at_us):
    first = engine.intake.tally[-1]
    samples = np.stack([np.full(n + 1, 4), first + np.arange(n + 1)], axis=1).astype(np.int32)
    samples[-1, 0] = -1
    engine.ingest(samples, at_us + np.arange(n + 1), at_us + n)


def test_staleness_begins_at_the_last_row_and_ends_with_the_next():
    health, engine = Health(STALE_US), fed_engine(3)
    assert health.watch(engine, 1_000_000)
    assert health.state is State.READY
    assert not health.watch(engine, 1_000_000 + STALE_US)
    assert health.watch(engine, 1_000_001 + STALE_US)
    assert (health.state, health.since_us) == (State.STALE, 1_000_000)
    assert not health.watch(engine, 2_000_000)
    assert health.since_us == 1_000_000
    assert health.data_age_ms(2_000_000) == 1000.0
    feed(engine, 1, 2_100_000)
    health.windows = 1
    assert health.watch(engine, 2_100_001)
    assert (health.state, health.data_age_ms(2_100_001)) == (State.DECODING, 0.0)


def test_rows_whose_times_stand_still_are_stale():
    """A source whose clock has stepped: what it sends is late or from another clock."""
    health, engine = Health(STALE_US), fed_engine(3)
    health.watch(engine, 1_000_000)
    for now_us in range(1_100_000, 1_400_000, 50_000):
        feed(engine, 2, 500_000)
        assert health.watch(engine, now_us) == (now_us > 1_000_000 + STALE_US)
    assert (health.state, health.since_us, health.message) == (State.STALE, 1_000_000, STEPPED)
    assert health.data_age_ms(1_350_000) == 0.0, "rows do come"
    feed(engine, 2, 1_400_000)
    assert health.watch(engine, 1_400_000)
    assert health.state is State.READY


def test_rows_of_another_clock_from_the_first_on_are_stale_since_the_first():
    health, engine = Health(STALE_US), Engine(UNITS, SPEC, say)
    samples = np.array([[4, 0], [-1, 1]], np.int32)
    hours_us = np.full(2, 10**13)
    engine.ingest(samples, hours_us, 1_000_000)
    assert health.watch(engine, 1_000_000)
    assert health.state is State.READY
    engine.ingest(samples, hours_us, 1_000_000)
    assert health.watch(engine, 1_000_001 + STALE_US)
    assert (health.state, health.since_us, health.message) == (State.STALE, 1_000_000, STEPPED)


def test_a_window_without_probabilities_is_a_fault_until_the_next_with():
    health, engine = Health(STALE_US), fed_engine(3)
    health.watch(engine, 1_000_000)
    assert health.is_decoding
    assert health.judge(False, 1_000_100)
    assert (health.state, health.windows, health.faulted) == (State.FAULTED, 1, 1)
    assert not health.is_decoding
    assert not health.watch(engine, 1_000_200), "it stays so between two windows"
    assert not health.judge(False, 1_000_300)
    assert health.judge(True, 1_000_400)
    assert (health.state, health.windows, health.faulted) == (State.DECODING, 3, 2)
    assert not health.judge(True, 1_000_500)


def test_nothing_is_stale_before_the_first_row():
    health = Health(STALE_US)
    assert not health.watch(Engine(UNITS, SPEC, say), 10**9)
    assert health.data_age_ms(10**9) is None


def test_the_message_is_json_and_says_rates_lag_and_totals():
    health, engine = Health(STALE_US), fed_engine(50)
    health.watch(engine, 1_000_100)
    health.message_of(engine, 1_000_100, 1_000_100)
    feed(engine, 100, 1_500_000)
    said = json.loads(json.dumps(health.message_of(engine, 1_500_100, 1_502_100)))
    assert said["spikes_per_s"] == 200.0, "100 spikes in half a second; watermarks are none"
    assert said["watermark_lag_ms"] == 2.0
    assert said["spikes"]["on_time"] == 150
    waiting = Health(STALE_US).message_of(None, 5, 5)
    assert waiting["state"] == "WAITING"
    assert "spikes" not in waiting


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_percentiles_rise_and_lie_within(values):
    found = list(percentiles(values, digits=12).values())
    assert found == sorted(found)
    assert found[-1] == pytest.approx(max(values), abs=1e-9)
    assert found[0] >= min(values) - 1e-9


def test_the_latency_log_forgets_the_oldest():
    log = LatencyLog(keep=2)
    assert log.summary() == {}
    for value in (100.0, 1.0, 3.0):
        log.add(dict.fromkeys(STAGES, value))
    assert set(log.summary()) == set(STAGES)
    assert log.summary()["total"] == {"p50": 2.0, "p95": 2.9, "p99": 2.98, "p99.9": 2.998, "max": 3}


def decided(labels, session_us=None, keep=True):
    """A log of windows with these labels; spikes alternate between none and ten."""
    engine = fed_engine(0, 0)
    log = PosteriorLog(["a", "b"], UNITS)
    log.keep = keep
    for number, label in enumerate(labels):
        onset_us = 200_000 * number
        feed(engine, 10 * (number % 2), onset_us + 1)
        engine.mark(onset_us, label, session_us)
        feed(engine, 0, onset_us + 100_000)
        for decision in engine.step(onset_us + 100_000):
            log.add(decision)
    return log


def test_accuracy_and_chance_are_of_labelled_windows_alone():
    score = decided(["b", "a", "a", "", ""]).score
    assert score.labelled() == 3
    assert score.accuracy() == pytest.approx(2 / 3)
    assert score.chance() == pytest.approx(2 / 3)
    assert decided(["", ""]).score.accuracy() is None
    assert decided([]).score.chance() is None


def test_a_window_without_probabilities_is_not_right():
    score = Score(["a", "b"])
    score.add("a", np.array([np.nan, np.nan], np.float32))
    score.add("a", np.array([0.9, 0.1], np.float32))
    assert (score.labelled(), score.accuracy(), score.chance()) == (2, 0.5, 1.0)


def test_a_run_that_keeps_no_window_is_scored_all_the_same():
    log = decided(["b", "a", "a"], keep=False)
    assert (len(log), log.score.labelled()) == (0, 3)
    assert log.score.accuracy() == pytest.approx(2 / 3)


def test_each_window_keeps_counts_of_its_own(tmp_path):
    log = decided(["b", "a", "b"])
    log.save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert arrays["counts"].sum(axis=(1, 2)).tolist() == [0, 10, 0]
        assert arrays["counts"].dtype == np.uint16
        assert arrays["probabilities"].dtype == np.float32
        assert arrays["probabilities"].argmax(axis=1).tolist() == [1, 0, 1]
        assert arrays["onset_us"].tolist() == [0, 200_000, 400_000]
        assert arrays["label"].tolist() == ["b", "a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_session_time_is_kept_where_it_is_known():
    assert decided(["a"], session_us=77).arrays()["onset_us"].tolist() == [77]


def test_a_posterior_file_is_never_overwritten(tmp_path):
    path = tmp_path / "p.npz"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="--force"):
        decided(["a"]).save(path)
    assert path.read_bytes() == b"mine"
    decided(["a"]).save(path, force=True)
    assert path.read_bytes() != b"mine"
