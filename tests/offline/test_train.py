"""Training, from a session to a bundle that decodes what was kept out."""

import json

import numpy as np
import pytest

from offline.models.registry import MODELS
from offline.protocol import run_folds
from offline.train import train, train_bundle
from rtdecode.counts import count_session
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.session import read_session
from rtdecode.splits import make_folds, random_folds
from rtdecode.tasks import resolve_task
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import make_session, tuned_session

TASK = "drifting_gratings.orientation"
WINDOW = WindowSpec.parse("0:150:50")
LINEAR = ("lda", "grey-lda", "poisson", "logistic", "stimulus-lda", "early-lda")
DEEP = ("shallow", "cnn", "gru", "residual", "ensemble", "distilled")


@pytest.mark.parametrize("model", LINEAR + DEEP)
def test_a_bundle_decodes_the_trials_kept_out(model, tmp_path):
    session = tuned_session()
    result = train_bundle(session, TASK, model, WINDOW, tmp_path / "b.pt")
    decoder = Decoder.load(tmp_path / "b.pt")
    task = resolve_task(session, TASK)
    rest = task.take(task.onsets_us > decoder.info.last_training_onset_us("made"))
    assert len(rest) == result.metrics["trials"] == 64
    counts = count_session(session, rest.onsets_us, WINDOW)
    found = np.array([decoder.predict(window) for window in counts])
    right = (found.argmax(axis=1) == rest.codes(decoder.info.classes)).mean()
    assert right == pytest.approx(result.metrics["accuracy"])
    assert right > 0.9
    assert result.metrics["accuracy_shuffled"] < 0.5
    assert result.metrics["accuracy_0_30_ms"] < 0.5


@pytest.mark.parametrize("split", ["random", "block"])
def test_other_splits_measure_on_every_trial(split):
    _, result = train(tuned_session(), TASK, "lda", WINDOW, split=split)
    assert result.metrics["trials"] == 160
    assert result.metrics["accuracy"] > 0.9


@pytest.mark.parametrize("model", ["lda", "ensemble"])
def test_the_same_seed_gives_the_same_bundle(model):
    session = tuned_session()
    one, two = (train(session, TASK, model, WINDOW, seed=4) for _ in range(2))
    assert one[1] == two[1]
    assert all(
        (a == b).all() for a, b in zip(one[0].parameters(), two[0].parameters(), strict=True)
    )


def test_training_never_sees_the_labels_kept_out():
    session = tuned_session()
    task = resolve_task(session, TASK)
    counts = count_session(session, task.onsets_us, WINDOW)
    folds = make_folds(task, "chronological")
    before = run_folds(task, counts, folds, "lda").probabilities
    turned = counts.copy()
    turned[folds[0].test] = turned[folds[0].test][::-1]
    after = run_folds(task, turned, folds, "lda").probabilities
    assert (before[::-1] == after).all()


def test_figures_are_written_and_nothing_is_overwritten(tmp_path):
    session = tuned_session(trials=10)
    out, figures = tmp_path / "b.pt", tmp_path / "b.json"
    train_bundle(session, TASK, "lda", WINDOW, out, json_path=figures)
    written = json.loads(figures.read_text())
    assert written["split"] == "chronological 0.6"
    assert {"accuracy", "chance", "accuracy_shuffled", "accuracy_0_30_ms"} <= set(written)
    with pytest.raises(UserError, match="--force"):
        train_bundle(session, TASK, "lda", WINDOW, tmp_path / "c.pt", json_path=figures)
    assert not (tmp_path / "c.pt").exists()


def test_a_class_with_too_few_trials_is_told():
    table = {"start_us": list(range(0, 6000, 1000)), "orientation": [0.0, 0.0, 0.0, 0.0, 0.0, 90.0]}
    session = make_session({"drifting_gratings": table})
    with pytest.raises(UserError, match=r"class 90 of task .* has 0"):
        train(session, TASK, "lda", WINDOW)


def test_recorded_gratings(allen_gratings_path):
    session = read_session(allen_gratings_path)
    task = resolve_task(session, TASK)
    counts = count_session(session, task.onsets_us, WindowSpec.parse("0:100:10"))
    folds = random_folds(task, 5)
    for model in ("lda", "poisson"):
        assert run_folds(task, counts, folds, model).accuracy >= 0.98
    _, result = train(session, TASK, "lda", WindowSpec.parse("0:100:100"))
    assert result.metrics["accuracy"] >= 0.95
    # 80 trials in 4 classes: .25 and three standard deviations.
    assert result.metrics["accuracy_0_30_ms"] < 0.40
    assert result.metrics["accuracy_shuffled"] < 0.40


def test_every_model_has_a_name_that_the_command_line_takes():
    assert set(LINEAR + DEEP) == set(MODELS)
