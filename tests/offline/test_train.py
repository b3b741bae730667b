"""Training, from a session to a bundle that decodes what was kept out."""

import json

import numpy as np
import pytest
import torch

from offline.models import checkpoint
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
LINEAR = ("lda", "window-lda", "grey-lda", "poisson", "logistic", "stimulus-lda", "early-lda")
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


@pytest.mark.parametrize("model", ["shallow", "residual"])
def test_a_stopped_training_goes_on_to_the_same_bundle(model, tmp_path, monkeypatch):
    session = tuned_session()
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    whole = train_bundle(session, TASK, model, WINDOW, tmp_path / "whole.pt")
    save, epochs = checkpoint.Checkpoint.save, []

    def stop_after_five(self, *args):
        save(self, *args)
        epochs.append(1)
        if len(epochs) == 5:
            raise KeyboardInterrupt

    out = tmp_path / "stopped.pt"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "save", stop_after_five)
        with pytest.raises(KeyboardInterrupt):
            train_bundle(session, TASK, model, WINDOW, out)
    assert not out.exists()
    with pytest.raises(UserError, match="--resume"):
        train_bundle(session, TASK, model, WINDOW, out)
    with pytest.raises(UserError, match="other data or settings"):
        train_bundle(session, TASK, model, WINDOW, out, seed=5, resume=True)
    resumed = train_bundle(session, TASK, model, WINDOW, out, resume=True)
    assert resumed.metrics == whole.metrics
    assert list(tmp_path.glob("*.training")) == []
    window = np.ones((3, 24), np.uint16)
    one, two = (Decoder.load(path).predict(window) for path in (tmp_path / "whole.pt", out))
    assert (one == two).all()


def test_a_distilled_ensemble_is_one_linear_layer(tmp_path):
    module, _ = train(tuned_session(), TASK, "distilled", WINDOW)
    layers = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(24, 4)]


@pytest.mark.parametrize(("device", "found"), [("tpu", "cpu or cuda"), ("cuda", "found none")])
def test_a_device_that_is_not_there_is_told(device, found, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=found):
        train_bundle(tuned_session(), TASK, "shallow", WINDOW, tmp_path / "b.pt", device=device)
    assert not (tmp_path / "b.pt").exists()


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
