"""What animals share: from several sessions to a bundle, and from it to another animal."""

import numpy as np
import pytest

from offline import zero_shot
from offline.across import asked_stretches, zero_shot_outcome
from offline.calibration_curve import drawn, fit_setting
from offline.grey import grey_windows
from offline.models import read_in
from offline.simulate import session_path, simulate
from offline.train_shared import train_shared_bundle
from offline.transfer import transfer_bundle
from offline.unit_features import unit_features
from rtdecode.bundle import load_bundle
from rtdecode.counts import count_session
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from rtdecode.windows import WindowSpec

TASK = "natural-vs-artificial"
WINDOW = WindowSpec.parse("50:250:50")


@pytest.fixture(scope="module")
def mice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mice")
    simulate(folder, 3, 5, "small")
    return [session_path(folder, "small", 5, mouse) for mouse in range(3)]


@pytest.fixture(scope="module")
def trunk(mice, tmp_path_factory):
    out = tmp_path_factory.mktemp("trunk") / "set.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zero_shot, "STEPS", 300)
        patch.setattr(zero_shot, "LOOK_EVERY", 100)
        train_shared_bundle(mice[:2], TASK, "unit-set", WINDOW, out)
    return out


def test_no_label_of_the_new_animal_is_needed_or_looked_at(mice, trunk, tmp_path):
    session = read_session(mice[2])
    result = transfer_bundle(trunk, session, 5, tmp_path / "new.pt")
    decoder = Decoder.load(tmp_path / "new.pt")
    assert decoder.info.model == "unit-set"
    assert decoder.info.unit_ids == tuple(session.units.ids.tolist())
    assert result.metrics["accuracy"] > result.metrics["chance"]
    task = resolve_task(session, TASK)
    counts = count_session(session, task.onsets_us, WINDOW)
    grey = grey_windows(session, WINDOW)
    cut = round(len(task) * 0.6)
    still = grey.counts[grey.onsets_us < task.onsets_us[cut - 1]]
    module, info = load_bundle(trunk)
    view = zero_shot.unlabelled_view(counts[:cut], still, session.units)
    again = zero_shot.classifier(module.shared, info.temperature, view)
    # The same from windows and units alone: no label goes in.
    one = zero_shot.torch.from_numpy(counts[cut][None].astype(np.float32))
    assert np.allclose(again(one).detach().numpy()[0], decoder.predict(counts[cut]), atol=1e-6)


def test_a_unit_set_needs_a_unit_set(mice, trunk, tmp_path):
    session = read_session(mice[2])
    with pytest.raises(UserError, match="--model read-in"):
        transfer_bundle(trunk, session, 1, tmp_path / "x.pt", method="read-in")
    with pytest.raises(UserError, match="a method is one of"):
        transfer_bundle(trunk, session, 1, tmp_path / "x.pt", method="magic")
    with pytest.raises(UserError, match="--unlabelled-share"):
        transfer_bundle(trunk, session, 1, tmp_path / "x.pt", unlabelled_share=1.0)
    with pytest.raises(UserError, match="two or more sessions"):
        train_shared_bundle(mice[:1], TASK, "unit-set", WINDOW, tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


def test_a_read_in_bundle_goes_on_to_another_animal(mice, tmp_path, monkeypatch):
    monkeypatch.setattr(read_in, "EPOCHS", 40)
    out = tmp_path / "trunk.pt"
    task = "static-gratings-orientation"
    train_shared_bundle(mice[:2], task, "read-in", WindowSpec.parse("50:250"), out)
    for method in ("read-in", "fine-tuning"):
        new = tmp_path / f"{method}.pt"
        result = transfer_bundle(out, read_session(mice[2]), 10, new, method=method)
        assert Decoder.load(new).info.model == "read-in"
        assert result.metrics["accuracy"] > 1.3 / 6
        # And from there to the next.
        assert hasattr(load_bundle(new)[0], "shared")


def test_features_of_a_unit_do_not_depend_on_the_others_order(mice):
    session = read_session(mice[0])
    task = resolve_task(session, TASK)
    counts = count_session(session, task.onsets_us, WINDOW)
    grey = grey_windows(session, WINDOW).counts
    found = unit_features(counts, grey, session.units)
    assert found.shape[0] == len(session.units)
    turned = np.arange(len(session.units))[::-1]
    again = unit_features(counts[:, :, turned], grey[:, :, turned], session.units.take(turned))
    assert np.allclose(found[turned], again, rtol=1e-4, atol=1e-4)
    without = unit_features(counts, grey[:0], session.units)
    assert np.isnan(without).any(axis=0).sum() == 2


def test_grey_of_the_kept_out_stretch_is_kept_out(mice):
    from rtdecode.splits import make_folds

    session = read_session(mice[0])
    task = resolve_task(session, TASK)
    grey = grey_windows(session, WINDOW)
    assert len(grey.onsets_us) == len(grey.counts) > 10
    for fold in make_folds(task, "block"):
        kept = grey.before_or_far_from(task, fold)
        assert 0 < len(kept) < len(grey.counts)
    fold = make_folds(task, "chronological")[0]
    before = (grey.onsets_us < task.onsets_us[fold.test].min()).sum()
    assert len(grey.before_or_far_from(task, fold)) <= before
    assert len(grey.before_or_far_from(task, make_folds(task, "random")[0])) == len(grey.counts)


def test_what_is_left_holds_no_sign_of_the_class_left_out(mice):
    task = resolve_task(read_session(mice[0]), TASK)
    folds = zero_shot.stretch_folds(task)
    assert len(folds) > 1
    for fold in folds:
        assert set(task.labels[fold.test]) == set(task.classes)
        assert len(np.intersect1d(task.blocks[fold.train], task.blocks[fold.test])) == 0
    asked = np.sort(np.concatenate([fold.test for fold in folds]))
    assert (asked == np.arange(len(task))).all()
    one_block = task.take(task.blocks == task.blocks[0])
    assert len(np.unique(zero_shot.stretches(one_block))) == 5


def test_a_network_is_set_right_by_trials_and_left_alone_without_evidence():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 2000)
    right = 2 * (codes[:, None] == np.arange(2)) + rng.logistic(0, 0.7, (2000, 2))
    wrong = right + np.array([1.5, 0.0])
    found = fit_setting(wrong, codes).apply(wrong)
    truth = (right.argmax(axis=1) == codes).mean()
    assert (wrong.argmax(axis=1) == codes).mean() < truth - 0.05
    assert (found.argmax(axis=1) == codes).mean() > truth - 0.01
    one_each = [codes.tolist().index(code) for code in (0, 1)]
    kept = fit_setting(right[one_each], codes[one_each])
    assert kept.scale == pytest.approx(1, abs=0.1)
    assert kept.offsets == pytest.approx([0, 0], abs=0.3)


def test_trials_that_set_right_never_lie_in_the_stretch_that_is_asked(mice, trunk):
    session = read_session(mice[2])
    task = resolve_task(session, TASK)
    counts = count_session(session, task.onsets_us, WINDOW)
    module, info = load_bundle(trunk)
    shared = zero_shot.TrainedTrunk(module.shared, info.temperature, 0.0)
    stretches = asked_stretches(shared, session, task, counts)
    fold = stretches[0].fold
    rows = drawn(fold, task.codes(), 3, np.random.default_rng(0))
    assert np.bincount(task.codes()[rows]).tolist() == [3, 3]
    assert np.isin(rows, fold.train).all()
    figures = zero_shot_outcome(shared, session, TASK)
    assert figures["trials"] == len(task)
    assert 0 <= figures["drift_grey"] <= 1
    curve = figures["calibration_curve"]
    assert [(row["k"], row["way"]) for row in curve] == [
        (k, way) for k in (1, 2, 5) for way in ("calibrated", "scratch")
    ]
    # Under the prior one trial a class changes little.
    assert abs(curve[0]["accuracy"] - figures["accuracy"]) < 0.1
