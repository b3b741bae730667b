"""Deciding early: one bundle, a posterior after every bin, and a rule when to stop."""

import numpy as np
import pytest

from offline.evaluate import deciding_early
from offline.models.early import choose_threshold, decide
from offline.train import train_bundle
from rtdecode.counts import count_session
from rtdecode.decoder import Decoder
from rtdecode.splits import make_folds
from rtdecode.tasks import resolve_task
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


def test_one_bundle_decides_at_every_step(tmp_path):
    session = tuned_session(trials=60)
    out = tmp_path / "early.pt"
    result = train_bundle(session, TASK, "early-lda", WINDOW, out)
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


def test_stopping_saves_time_at_little_cost():
    session = tuned_session(trials=80)
    task = resolve_task(session, TASK)
    found = deciding_early(session, task, make_folds(task, "chronological"), WINDOW)
    # Nothing is known before the response, 40 ms after onset.
    assert found["accuracy"][0] < 0.5
    assert found["accuracy"][-1] > 0.9
    assert found["accuracy_stopped"] >= found["accuracy"][-1] - 0.03
    assert found["share_of_window"] < 0.9
