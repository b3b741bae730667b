"""A record decoded again, held against the run itself: any order, loss and repetition of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.early import StoppingRule
from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import KINDS, NEXT_SEQUENCE, ROWS, SEQUENCE_MASK
from rtdecode.microseconds import INVALID_US
from rtdecode.record.again import decode_record
from rtdecode.record.read import Record, Recorded, Rows, sane_times
from rtdecode.windows import WindowSpec

UNITS = np.array([3, 5, 8], np.int64)
SPEC = WindowSpec(20_000, 100_000, 20_000)
STRANGER = 99
ONSETS_US = range(100_000, 1_000_000, 150_000)
ZERO_US = 7_000_000


def predict(counts):
    """Tells every count matrix from every other, nearly."""
    weights = np.sin(np.arange(1, counts.size + 1, dtype=np.float32))
    total = float(counts.ravel() @ weights)
    return np.array([total, -total], np.float32)


def early_rule():
    """Is sure of about every second look."""
    return StoppingRule(lambda counts, bins: np.tanh(np.abs(predict(counts))), (1, 2, 4, 5), 0.9)


def made_rows(seed, late_us, restart):
    """Rows in order of arrival: (unit, sequence), stamps, arrivals; some late, twice, strange."""
    rng = np.random.default_rng(seed)
    n = 600
    ids = rng.choice([*UNITS, STRANGER, -5], n, p=[0.3, 0.3, 0.3, 0.05, 0.05])
    times_us = rng.integers(0, 1_100_000, n)
    marks_us = np.arange(0, 1_200_000, 5_000)
    ids = np.concatenate([ids, ids[:40], np.full(len(marks_us), -1)])
    times_us = np.concatenate([times_us, times_us[:40], marks_us - 10_000])
    delays_us = np.concatenate(
        [rng.integers(0, late_us + 1, n + 40), np.full(len(marks_us), 10_000)]
    )
    arrival_us = times_us + delays_us
    times_us[rng.choice(n, 5)] = INVALID_US
    order = np.argsort(arrival_us, kind="stable")
    sequence = np.arange(len(order))
    if restart:
        sequence[len(order) // 2 :] -= len(order) // 2
    kept = rng.random(len(order)) > 0.01
    samples = np.stack([ids[order], sequence], axis=1).astype(np.int32)[kept]
    return samples, times_us[order][kept], arrival_us[order][kept]


def run_live(samples, times_us, arrival_us, heard_from, tick_us, how, rule=None):
    """What the decoder's loop does, and what it says: decisions copied, and their messages."""
    engine = Engine(UNITS, SPEC, predict, how, rule=rule)
    onsets, sent, told = list(ONSETS_US), heard_from, []
    for now_us in range(int(arrival_us[0]), 1_400_000, tick_us):
        while onsets and onsets[0] <= now_us:
            engine.mark(onsets.pop(0), "a")
        upto = max(sent, int(np.searchsorted(arrival_us, now_us, side="right")))
        engine.ingest(samples[sent:upto], times_us[sent:upto], now_us)
        sent = upto
        told += [kept(decision) | said(engine) for decision in engine.step(now_us)]
    return told


def kept(decision):
    """A decision's values; its buffers are the engine's."""
    return {
        "onset_us": decision.window.onset_us,
        "counts": decision.counts.copy(),
        "p": decision.probabilities.copy(),
        "by_watermark": decision.by_watermark,
        "complete": decision.complete,
        "bins": decision.window.bins,
        "spikes": decision.spikes.copy(),
    }


def said(engine):
    """What a decision's message says of the rows."""
    state, tally = engine.intake.state, engine.intake.tally
    last = (int(state[NEXT_SEQUENCE]) - 1) & SEQUENCE_MASK
    return {
        "rows": {"s": last} if state[NEXT_SEQUENCE] >= 0 else {},
        "taken": {"s": int(tally[ROWS])},
    }


def recorded(number, told):
    """The message as it is read back."""
    return Recorded(
        window=number,
        onset_us=told["onset_us"] + ZERO_US,
        session_us=None,
        label="a",
        top="",
        p=0.0,
        closed_by="watermark" if told["by_watermark"] else "lateness",
        complete=told["complete"],
        in_window=int(told["counts"].sum()),
        bins_used=told["bins"],
        spikes=dict(zip(KINDS, told["spikes"].tolist(), strict=True)),
        rows=told["rows"],
        taken=told["taken"],
    )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 30),
    late_us=st.sampled_from([0, 15_000, 60_000, 250_000]),
    lateness_us=st.sampled_from([0, 10_000, 50_000]),
    tick_us=st.sampled_from([700, 5_000, 30_000]),
    heard_from=st.sampled_from([0, 1, 30]),
    restart=st.booleans(),
    rule=st.sampled_from([None, early_rule()]),
)
def test_a_record_gives_the_same_decisions(
    seed, late_us, lateness_us, tick_us, heard_from, restart, rule
):
    how = EngineSettings(lateness_us=lateness_us, capacity=1024)
    samples, times_us, arrival_us = made_rows(seed, late_us, restart)
    live = run_live(samples, times_us, arrival_us, heard_from, tick_us, how, rule)
    rows = Rows("s", samples, times_us, arrival_us, 1.0)
    record = Record({}, ZERO_US, [rows], [recorded(i, told) for i, told in enumerate(live)])
    whole = EngineSettings(lateness_us=0, capacity=1024)
    again = Engine(UNITS, SPEC, predict, whole, rule=rule)
    found = [kept(decision) for decision, _ in decode_record(again, record)]
    assert len(found) == len(live) == len(ONSETS_US)
    for mine, told in zip(found, live, strict=True):
        for name, value in mine.items():
            np.testing.assert_array_equal(value, told[name], err_msg=name)


def made_counts():
    """Rows of samples 4 ms apart, counts up to three: (unit, sequence), stamps, arrivals."""
    rng = np.random.default_rng(5)
    rows = []
    for sample in range(300):
        time_us = sample * 4_000
        spikes = np.repeat(UNITS, rng.integers(0, 4, len(UNITS))).tolist()
        rows += [(unit, time_us) for unit in spikes] + [(-1, time_us + 2_000)]
    ids, times_us = np.array(rows).T
    samples = np.stack([ids, np.arange(len(ids))], axis=1).astype(np.int32)
    return samples, times_us, times_us + 2_500


@pytest.mark.parametrize("sample", [0, 7, 40])
def test_rows_of_counts_are_numbered_as_the_decoder_did(sample):
    """It heard them from a later sample on than the recorder; the same row twice is two spikes."""
    samples, times_us, arrival_us = made_counts()
    first = int(np.flatnonzero(times_us >= sample * 4_000)[0])
    how = EngineSettings(lateness_us=50_000, dedup_us=0, capacity=4096)
    heard = samples - np.array([0, first], np.int32)
    live = run_live(heard, times_us, arrival_us, first, 5_000, how)
    first_us = {"first_us": {"s": int(times_us[first]) + ZERO_US}}
    decisions = [recorded(i, told).model_copy(update=first_us) for i, told in enumerate(live)]
    rows = Rows("s", samples, times_us, arrival_us, 1.0, counts=True)
    again = Engine(UNITS, SPEC, predict, EngineSettings(lateness_us=0, capacity=4096))
    record = Record({}, ZERO_US, [rows], decisions)
    found = [kept(decision) for decision, _ in decode_record(again, record)]
    assert len(found) == len(live) == len(ONSETS_US)
    for mine, told in zip(found, live, strict=True):
        assert told["complete"] or told["onset_us"] < times_us[first]
        for name, value in mine.items():
            np.testing.assert_array_equal(value, told[name], err_msg=name)


def test_the_runs_above_have_late_rows_and_windows_that_waited():
    """What the test before would not need to be true if all were on time."""
    how = EngineSettings(lateness_us=0, capacity=1024)
    live = run_live(*made_rows(1, 250_000, True), 30, 5_000, how)
    totals = dict(zip(KINDS, sum(told["spikes"] for told in live).tolist(), strict=True))
    assert all(totals[kind] > 0 for kind in KINDS), totals
    assert {told["by_watermark"] for told in live} == {False}
    early = run_live(*made_rows(1, 250_000, True), 30, 5_000, how, early_rule())
    assert len({told["bins"] for told in early}) > 2


def test_a_record_of_decisions_after_other_bins_is_refused():
    engine = Engine(UNITS, SPEC, predict, EngineSettings(capacity=16), rule=early_rule())
    decisions = [recorded(0, BARE | {"bins": 3, "rows": {}, "taken": {}})]
    rows = Rows("s", np.array([[3, 0]], np.int32), np.array([10]), np.array([10]), 1.0)
    with pytest.raises(UserError, match="after 1, 2, 4, 5 bins, found 3"):
        list(decode_record(engine, Record({}, ZERO_US, [rows], decisions)))


def test_a_stamp_ahead_of_its_arrival_is_no_time_but_in_a_replay_at_another_speed():
    samples = np.zeros((2, 2), np.int32)
    times_us, arrival_us = np.array([1_000, 3_000]), np.array([500, 500])
    rows = Rows("s", samples, times_us, arrival_us, 1.0)
    assert sane_times(rows, 1_000).tolist() == [1_000, INVALID_US]
    fast = Rows("s", samples, times_us, arrival_us, 4.0)
    assert sane_times(fast, 1_000).tolist() == times_us.tolist()


@pytest.mark.parametrize("ahead_us", [0, 60_000_000])
def test_the_engine_takes_rows_whose_clock_was_checked(ahead_us):
    """The replayed clock is far beyond every stamp and overflows nowhere."""
    engine = Engine(UNITS, SPEC, predict, EngineSettings(ahead_us=ahead_us, capacity=16))
    rows = Rows("s", np.array([[3, 0]], np.int32), np.array([10]), np.array([10]), 1.0)
    decisions = [recorded(0, {**BARE, "rows": {"s": 0}, "taken": {"s": 1}})]
    ((decision, _),) = decode_record(engine, Record({}, ZERO_US, [rows], decisions))
    assert decision.spikes.tolist() == [1, 0, 0, 0, 0, 0]


BARE = {
    "onset_us": 0,
    "by_watermark": False,
    "complete": False,
    "bins": SPEC.n_bins,
    "counts": np.zeros(1),
    "spikes": np.zeros(len(KINDS), np.int64),
}
