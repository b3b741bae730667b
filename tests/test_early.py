"""Deciding early: the rule after each bin, held against one in plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.early import DecisionTimes, StoppingRule
from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import KINDS
from rtdecode.windows import WindowSpec
from tests.kernels.reference import bin_window
from tests.test_engine import LATENESS_US, SPEC, UNITS, Source

STEPS = (1, 2, 4, 5)
ENOUGH = 0.8
WEIGHTS = np.random.default_rng(0).normal(0, 1.0, (SPEC.n_bins, len(UNITS)))


def posterior(counts, bins):
    """A stand-in model of the first bins, which would show a spike of any after them."""
    assert not counts[bins:].any()
    logit = float((WEIGHTS * counts).sum())
    p = 1 / (1 + np.exp(-logit))
    return np.array([p, 1 - p], np.float32)


def early_engine(decide_at=ENOUGH, steps=STEPS, **changes):
    """An engine that decides within its window of five bins of 20 us."""
    chosen = {"lateness_us": LATENESS_US, "dedup_us": 0, "retain_us": 5000, "capacity": 1024}
    rule = StoppingRule(posterior, steps, decide_at)
    whole = EngineSettings(**chosen | changes)
    return Engine(UNITS, SPEC, lambda counts: posterior(counts, SPEC.n_bins), whole, rule=rule)


def decided(decision):
    """All of a decision that another way of computing it must give too."""
    window = decision.window
    return (
        window.number,
        window.bins,
        window.end_us,
        decision.in_window,
        decision.counts.tobytes(),
        decision.probabilities.tobytes(),
    )


def by_numpy(number, onset_us, spikes):
    """The rule in plain NumPy: the first step whose top probability is enough, or the last."""
    start_us = onset_us + SPEC.offset_us
    times_us = [t for _, t in spikes]
    rows = [int(np.flatnonzero(unit == UNITS)[0]) for unit, _ in spikes]
    whole = bin_window(times_us, rows, start_us, SPEC.bin_us, SPEC.n_bins, len(UNITS))
    for bins in STEPS:
        counts = np.where(np.arange(SPEC.n_bins)[:, None] < bins, whole, 0).astype(np.uint16)
        found = posterior(counts, bins)
        if found.max() >= np.float32(ENOUGH) or bins == STEPS[-1]:
            end_us = start_us + bins * SPEC.bin_us
            return number, bins, end_us, counts.sum(), counts.tobytes(), found.tobytes()
    raise AssertionError("the last step decides")


spike = st.tuples(st.sampled_from(UNITS.tolist()), st.integers(0, 700))
spikes_of_a_run = st.lists(spike, max_size=150)
onsets = st.lists(st.integers(0, 500), min_size=1, max_size=6)


@settings(max_examples=200)
@given(spikes_of_a_run, onsets, st.randoms(use_true_random=False), st.integers(0, LATENESS_US))
def test_each_window_is_decided_once_by_the_rule_in_any_order_of_arrival(
    spikes, onsets, random, disorder_us
):
    """Rows in disorder, under watermarks that keep their word."""
    arrived = sorted(spikes, key=lambda one: one[1] + random.uniform(0, disorder_us))
    engine = early_engine()
    source = Source(engine)
    source.send([(-1, -1000)], 0)
    for onset_us in onsets:
        engine.mark(onset_us)
    found, since, newest = [], np.zeros(len(KINDS), np.int64), 0
    for row in [*arrived, (int(UNITS[0]), 3000)]:
        newest = max(newest, row[1])
        source.send([row, (-1, newest - disorder_us)], newest)
        for decision in engine.step(newest - disorder_us):
            found.append(decided(decision))
            since += decision.spikes
            assert decision.by_watermark
            assert decision.complete
    assert sorted(found) == [by_numpy(i, onset_us, spikes) for i, onset_us in enumerate(onsets)]
    assert engine.totals == dict.fromkeys(KINDS, 0) | {"on_time": len(spikes) + 1}
    assert since[0] <= len(spikes) + 1
    assert engine.next_end_us is None


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(spike, st.integers(0, 150)), max_size=150),
    onsets=onsets,
    marks=st.lists(st.integers(0, 700), max_size=8),
    tick_us=st.sampled_from([1, 7, 40, 170]),
)
def test_late_rows_and_broken_words_are_taken_as_a_plain_loop_takes_them(
    rows, onsets, marks, tick_us
):
    """Rows later than lateness and watermark allow: looked at with what has come, and counted."""
    engine, plain = early_engine(), PlainLoop(onsets)
    source = Source(engine)
    for onset_us in onsets:
        engine.mark(onset_us)
    coming = [(t + delay, (unit, t)) for (unit, t), delay in rows]
    coming = sorted(coming + [(mark, (-1, mark)) for mark in marks], key=lambda row: row[0])
    found = []
    for now_us in range(0, 1500, tick_us):
        due = [row for at, row in coming if now_us - tick_us < at <= now_us]
        source.send(due, now_us)
        found += [decided(decision) for decision in engine.step(now_us)]
        plain.turn(due, now_us)
    assert found == plain.decided
    assert sorted(one[0] for one in found) == list(range(len(onsets)))
    assert engine.totals["late"] == plain.late
    assert engine.totals["on_time"] == len(rows) - plain.late


class PlainLoop:
    """The rule with spikes in a list: looks in order of their time, late is before a decision."""

    def __init__(self, onsets):
        starts = [onset_us + SPEC.offset_us for onset_us in onsets]
        self.waiting = [
            (start + STEPS[0] * SPEC.bin_us, i, start) for i, start in enumerate(starts)
        ]
        self.spikes, self.decided, self.late = [], [], 0
        self.watermark_us = self.closed_us = -(1 << 40)

    def turn(self, rows, now_us):
        for unit, t in rows:
            if unit < 0:
                self.watermark_us = max(self.watermark_us, t)
            elif t < self.closed_us:
                self.late += 1
            else:
                self.spikes.append((unit, t))
        while self.waiting:
            end_us, number, start_us = min(self.waiting)
            if self.watermark_us < end_us and now_us < end_us + LATENESS_US:
                return
            self.waiting.remove((end_us, number, start_us))
            self.look(end_us, number, start_us)

    def look(self, end_us, number, start_us):
        bins = (end_us - start_us) // SPEC.bin_us
        rows = [int(np.flatnonzero(unit == UNITS)[0]) for unit, _ in self.spikes]
        times_us = [t if t < end_us else -(1 << 40) for _, t in self.spikes]
        counts = bin_window(times_us, rows, start_us, SPEC.bin_us, SPEC.n_bins, len(UNITS))
        p = posterior(counts, bins)
        if p.max() >= np.float32(ENOUGH) or bins == STEPS[-1]:
            said = number, bins, end_us, counts.sum(), counts.tobytes(), p.tobytes()
            self.decided.append(said)
            self.closed_us = max(self.closed_us, end_us)
        else:
            following = STEPS[STEPS.index(bins) + 1]
            self.waiting.append((start_us + following * SPEC.bin_us, number, start_us))


def test_such_runs_decide_at_every_step_and_have_late_rows():
    """What they show would be little if all decisions fell at one step."""
    rng = np.random.default_rng(1)
    bins, late = [], 0
    for _ in range(200):
        plain = PlainLoop([100])
        times_us = rng.integers(100, 260, 30)
        arrivals_us = times_us + rng.integers(0, 80, 30)
        units = rng.choice(UNITS, 30).tolist()
        spikes = list(zip(units, times_us.tolist(), strict=True))
        for now_us in range(0, 700, 10):
            due = (now_us - 10 < arrivals_us) & (arrivals_us <= now_us)
            plain.turn([spikes[i] for i in np.flatnonzero(due)], now_us)
        bins.append(plain.decided[0][1])
        late += plain.late
    assert set(bins) == set(STEPS)
    assert late > 50


def sure_after(bins):
    """A model that is sure once it has seen so many bins."""
    return lambda counts, seen: np.array([0.9, 0.1] if seen >= bins else [0.5, 0.5], np.float32)


def test_what_comes_after_an_early_decision_is_counted_and_decides_nothing():
    engine = early_engine()
    engine.rule = StoppingRule(sure_after(2), STEPS, ENOUGH)
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    source.send([(0, 130), (0, 170), (-1, 160)], 170)
    (decision,) = engine.step(170)
    window = decision.window
    assert (window.start_us, window.end_us, window.bins) == (120, 160, 2)
    assert (decision.in_window, decision.counts.sum()) == (1, 1), "the spike at 170 is later"
    source.send([(0, 159), (0, 160), (0, 219), (-1, 220)], 220)
    assert list(engine.step(10_000)) == []
    assert (engine.totals["late"], engine.totals["on_time"]) == (1, 4)


def test_a_look_that_was_not_enough_is_complete_later_by_its_own_end():
    """The first closes by lateness, the second by the source's word."""
    engine = early_engine()
    engine.rule = StoppingRule(sure_after(2), STEPS, ENOUGH)
    source = Source(engine)
    source.send([(-1, 0)], 0)
    engine.mark(100)
    assert engine.next_end_us == 140
    assert list(engine.step(140 + LATENESS_US)) == []
    assert engine.next_end_us == 160
    source.send([(-1, 160)], 160 + LATENESS_US)
    (decision,) = engine.step(160 + LATENESS_US)
    assert decision.by_watermark
    assert decision.complete


def test_a_probability_is_enough_that_is_the_threshold_as_float32():
    rule = StoppingRule(posterior, (1, 2), 0.9)
    assert rule.is_enough(np.array([0.9, 0.1], np.float32), 1)
    assert not rule.is_enough(np.array([0.89, 0.11], np.float32), 1)
    assert rule.is_enough(np.array([0.5, 0.5], np.float32), 2)


def test_no_probabilities_are_never_enough():
    engine = early_engine()
    engine.rule = StoppingRule(lambda counts, bins: np.full(2, np.nan, np.float32), STEPS, ENOUGH)
    engine.mark(100)
    (decision,) = engine.step(10_000)
    assert decision.window.bins == 5


def test_sliding_windows_and_early_decisions_are_refused_together():
    with pytest.raises(UserError, match="found sliding ones"):
        early_engine(hop_us=40)


def test_times_are_from_onset_to_the_end_of_what_was_used():
    times = DecisionTimes(WindowSpec.parse("50:250:25"))
    assert times.told() == {}
    for after_us in (75_000, 125_000, 250_000):
        times.add(after_us)
    assert times.told() == {"mean_ms": 150.0, "window_ms": 250.0, "share_early": 0.6667}
