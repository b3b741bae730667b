"""Deciding early: one bundle, a posterior after every bin, and a rule when to stop."""

import numpy as np
import pytest

from offline.evaluate import deciding_early
from offline.models.early import choose_threshold, decide
from offline.train import train_bundle
from rtdecode.counts import count_session
from rtdecode.decoder import Decoder
from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.splits import make_folds
from rtdecode.tasks import resolve_task
from rtdecode.virtual import decode_session
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import tuned_session

TASK = "drifting_gratings.orientation"
WINDOW = WindowSpec.parse("0:250:25")


def test_a_decision_falls_when_sure_enough_and_at_the_end_at_latest():
    p = np.array([[[0.6, 0.4], [0.5, 0.5]], [[0.9, 0.1], [0.6, 0.4]], [[0.1, 0.9], [0.3, 0.7]]])
    found = decide(p.astype(np.float32), 0.85)
    assert found.steps.tolist() == [2, 3]
    assert found.top.tolist() == [0, 1]


def test_the_threshold_is_the_smallest_that_costs_next_to_nothing():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 4000)
    early = np.where(rng.random(4000) < 0.7, codes, 1 - codes)
    p = np.stack([np.eye(2)[early] * 0.4 + 0.3, np.eye(2)[codes] * 0.98 + 0.01])
    assert choose_threshold(p.astype(np.float32), codes) == pytest.approx(0.72)
    p[0] = np.eye(2)[codes] * 0.4 + 0.3
    assert choose_threshold(p.astype(np.float32), codes) == pytest.approx(0.3)


@pytest.fixture(scope="module")
def session():
    return tuned_session(trials=60)


@pytest.fixture(scope="module")
def trained(session, tmp_path_factory):
    """The bundle's file and its figures."""
    out = tmp_path_factory.mktemp("early") / "early.pt"
    return out, train_bundle(session, TASK, "early-lda", WINDOW, out)


def test_one_bundle_decides_at_every_step(session, trained):
    out, result = trained
    decoder = Decoder.load(out)
    assert decoder.info.steps == tuple(range(1, 11))
    assert 0.3 <= decoder.info.decide_at <= 1
    counts = count_session(session, resolve_task(session, TASK).onsets_us[-40:], WINDOW)
    for window in counts:
        assert (decoder.predict_upto(window, 10) == decoder.predict(window)).all()
        blind = window.copy()
        blind[4:] = 60
        assert (decoder.predict_upto(blind, 4) == decoder.predict_upto(window, 4)).all()
    assert result.metrics["accuracy"] > 0.9


def kept_out(session, decoder, **how):
    """The trials kept out of training as the engine decides them: label, top, bins, time."""
    first_us = decoder.info.last_training_onset_us(session.name) + 1
    told = []
    for decision in decode_session(decoder, session, EngineSettings(**how), start_us=first_us):
        p, window = decision.probabilities.copy(), decision.window
        told.append((window.label, p, window.bins, window.end_us - window.onset_us))
    labels, posteriors, bins, times_us = zip(*told, strict=True)
    tops = [decoder.info.classes[p.argmax()] for p in posteriors]
    hits = np.mean([top == label for top, label in zip(tops, labels, strict=True)])
    return hits, posteriors, np.array(bins), np.mean(times_us) / 1000


def test_the_engine_decides_early_at_the_cost_that_the_bundle_states(session, trained):
    decoder, metrics = Decoder.load(trained[0]), trained[1].metrics
    whole, _, bins, _ = kept_out(session, decoder)
    assert set(bins) == {10}
    early, _, bins, mean_ms = kept_out(session, decoder, early=True)
    assert (whole, early) == pytest.approx((metrics["accuracy"], metrics["accuracy_early"]))
    assert mean_ms == pytest.approx(metrics["mean_decision_ms"])
    assert early > whole - 0.03
    assert mean_ms < 0.75 * 250
    assert len(set(bins.tolist())) > 2


@pytest.mark.parametrize("decide_at", [0.0, 0.6, 1.0])
def test_the_engine_stops_where_the_rule_does(session, trained, decide_at):
    decoder = Decoder.load(trained[0])
    enough = decide_at or decoder.info.decide_at
    task = resolve_task(session, TASK)
    onsets_us = task.onsets_us[task.onsets_us > decoder.info.last_training_onset_us(session.name)]
    counts = count_session(session, onsets_us, WINDOW)
    by_step = np.stack([[decoder.predict_upto(c, n) for c in counts] for n in decoder.info.steps])
    expected = decide(by_step, enough)
    _, posteriors, bins, _ = kept_out(session, decoder, early=True, decide_at=decide_at)
    np.testing.assert_array_equal(bins, expected.steps)
    chosen = by_step[expected.steps - 1, np.arange(len(counts))]
    np.testing.assert_array_equal(np.stack(posteriors), chosen)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"steps": ()}, "can decide early"),
        ({"decide_at": None}, "give engine.decide_at"),
        ({"steps": (3, 2)}, "expected steps upwards within 10 bins"),
        ({"steps": (3, 11)}, "expected steps upwards within 10 bins"),
    ],
)
def test_a_description_that_cannot_decide_early_is_refused(trained, changes, told):
    decoder = Decoder.load(trained[0])
    decoder.info = decoder.info.model_copy(update=changes)
    with pytest.raises(UserError, match=told):
        decoder.stopping_rule()


def test_stopping_saves_time_at_little_cost():
    session = tuned_session(trials=80)
    task = resolve_task(session, TASK)
    found = deciding_early(session, task, make_folds(task, "chronological"), WINDOW)
    # Nothing is known before the response, 40 ms after onset.
    assert found["accuracy"][0] < 0.5
    assert found["accuracy"][-1] > 0.9
    assert found["accuracy_stopped"] >= found["accuracy"][-1] - 0.03
    assert found["share_of_window"] < 0.9
