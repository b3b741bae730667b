"""Baselines against scikit-learn and scipy, and the calibration they carry."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import poisson
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from offline.models.calibration import (
    Sharpness,
    expected_calibration_error,
    fit_sharpness,
    fit_temperature,
    sharpened,
)
from offline.models.data import TrainingData, time_groups
from offline.models.linear import (
    SHRINKAGES,
    LinearClassifier,
    fit_lda,
    lda_maps,
    logistic_maps,
    poisson_maps,
)
from offline.models.registry import fit_model, predict
from rtdecode.errors import UserError

CLASSES = 4


def trials(n: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % CLASSES)
    rates = np.random.default_rng(99).gamma(2, 1, (CLASSES, features))
    return rng.poisson(rates[codes]).astype(float), codes


@pytest.mark.parametrize(("n", "features"), [(200, 30), (40, 90)])
def test_lda_equals_scikit_learn(n, features):
    x, codes = trials(n, features)
    new, _ = trials(50, features, seed=1)
    for shrinkage, found in zip(SHRINKAGES, lda_maps(x, codes, CLASSES), strict=True):
        reference = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=shrinkage, priors=np.full(CLASSES, 1 / CLASSES)
        ).fit(x, codes)
        expected = reference.predict_proba(new)
        assert softmax(found.logits(new), axis=1) == pytest.approx(expected, abs=1e-5)


def test_lda_module_equals_scikit_learn():
    x, codes = trials(200, 30)
    reference = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.2, priors=np.full(CLASSES, 1 / CLASSES)
    ).fit(x, codes)
    (found,) = lda_maps(x, codes, CLASSES, (0.2,))
    module = LinearClassifier(found.weight, found.bias)
    counts = x.reshape(200, 3, 10).astype(np.uint16)
    assert predict(module, counts) == pytest.approx(reference.predict_proba(x), abs=1e-5)


def test_logistic_equals_scikit_learn():
    x, codes = trials(200, 30)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    reference = LogisticRegression(C=0.03, tol=1e-8, max_iter=5000).fit(z, codes)
    (found,) = logistic_maps(x, codes, CLASSES, (0.03,))
    expected = reference.predict_proba(z)
    assert softmax(found.logits(x), axis=1) == pytest.approx(expected, abs=2e-3)


def test_logistic_of_two_classes_and_of_a_class_never_seen():
    x, codes = trials(200, 30)
    two = codes < 2
    reference = LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000)
    z = (x[two] - x[two].mean(axis=0)) / x[two].std(axis=0)
    expected = reference.fit(z, codes[two]).predict_proba(z)
    (found,) = logistic_maps(x[two], codes[two], CLASSES, (0.3,))
    probabilities = softmax(found.logits(x[two]), axis=1)
    assert probabilities[:, :2] == pytest.approx(expected, abs=1e-3)
    assert (probabilities[:, 2:] == 0).all()


def test_poisson_is_the_product_of_poisson_likelihoods():
    x, codes = trials(120, 8)
    (found,) = poisson_maps(x, codes, CLASSES, (1.0,))
    overall = x.mean(axis=0) + 1e-3
    rates = [
        (x[codes == c].sum(axis=0) + overall) / ((codes == c).sum() + 1) for c in range(CLASSES)
    ]
    joint = np.stack([poisson.logpmf(x, rate).sum(axis=1) for rate in rates], axis=1)
    assert softmax(found.logits(x), axis=1) == pytest.approx(softmax(joint, axis=1), abs=1e-8)


def test_temperature_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    codes = np.array([rng.choice(5, p=p) for p in softmax(logits, axis=1)])
    assert fit_temperature(3 * logits, codes) == pytest.approx(3, rel=0.1)
    overconfident = softmax(3 * logits, axis=1).astype(np.float32)
    assert expected_calibration_error(overconfident, codes) > 0.1
    mended = softmax(logits, axis=1).astype(np.float32)
    assert expected_calibration_error(mended, codes) < 0.03


def test_trials_with_and_without_a_response_are_both_believed_rightly():
    """A fifth respond to next to nothing: one temperature cannot suit both kinds."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 20, 8000)
    response = np.where(rng.random(8000) < 0.2, 0.1, 1.0)
    logits = 6 * response[:, None] * np.eye(20)[codes] + rng.normal(0, 1, (8000, 20))
    half = np.arange(8000) < 4000
    one = Sharpness(fit_temperature(logits[half], codes[half]))
    two = fit_sharpness(logits[half], codes[half])
    assert two.power > 0.2
    errors = [
        expected_calibration_error(found.probabilities(logits[~half]), codes[~half])
        for found in (one, two)
    ]
    assert errors[1] < 0.6 * errors[0]


def test_a_module_is_sharpened_as_the_fit_says():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    scaled = torch.from_numpy(logits / 1.7)
    found = torch.softmax(sharpened(scaled, torch.tensor([0.6])), dim=1).numpy()
    np.testing.assert_allclose(found, Sharpness(1.7, 0.6).probabilities(logits), rtol=1e-6)


def test_without_trials_logits_stay_as_they_are():
    assert fit_sharpness(np.zeros((0, 3)), np.zeros(0, np.int64)) == Sharpness(1.0)


def test_certainty_is_bounded_by_the_number_of_trials_seen():
    x, codes = trials(80, 200)
    data = TrainingData(x.reshape(80, 1, 200).astype(np.uint16), codes, CLASSES, time_groups(80))
    top = predict(fit_lda(data), data.counts).max(axis=1)
    assert top.mean() < 1 - 1 / 200


@pytest.mark.parametrize("name", ["lda", "poisson", "logistic"])
def test_models_are_calibrated_and_right_on_new_trials(name):
    x, codes = trials(400, 12)
    counts = x.reshape(400, 1, 12).astype(np.uint16)
    data = TrainingData(counts, codes, CLASSES, time_groups(400))
    new, truth = trials(600, 12, seed=5)
    found = predict(fit_model(name, data), new.reshape(600, 1, 12).astype(np.uint16))
    assert (found.argmax(axis=1) == truth).mean() > 0.8
    assert expected_calibration_error(found, truth) < 0.06


def test_an_unknown_model_is_told():
    x, codes = trials(40, 4)
    data = TrainingData(x.reshape(40, 1, 4).astype(np.uint16), codes, CLASSES, time_groups(40))
    with pytest.raises(UserError, match="a model is one of"):
        fit_model("oracle", data)


def test_inner_folds_never_measure_what_they_were_fitted_to():
    counts = np.arange(20, dtype=np.uint16).reshape(20, 1, 1)
    codes = np.array([0, 1] * 9 + [2, 2])
    data = TrainingData(counts, codes, 3, time_groups(20))
    for fitted, held in data.inner_folds():
        assert not np.intersect1d(fitted.counts, held.counts).size
        assert np.isin(held.codes, fitted.codes).all()


def brief_trials(seed):
    """Counts in ten bins of which the fourth to sixth alone tell the class."""
    x, codes = trials(240, 30, seed=seed)
    rng = np.random.default_rng(seed)
    noise = rng.poisson(2.0, (240, 10, 30))
    noise[:, 3:6] = rng.poisson(0.3 * x[:, None], (240, 3, 30))
    return TrainingData(noise.astype(np.uint16), codes, CLASSES, time_groups(240))


def test_window_lda_finds_the_bins_that_tell_and_is_lda_on_them():
    data = brief_trials(0)
    module = fit_model("window-lda", data)
    weight = module.weight.detach().numpy().reshape(10, 30, CLASSES)
    used = np.flatnonzero(np.abs(weight).sum(axis=(1, 2)))
    assert used.tolist() == [3, 4, 5]
    new = brief_trials(1)
    alone = fit_lda(replace(data, counts=data.counts[:, 3:6].sum(axis=1, keepdims=True)))
    expected = predict(alone, new.counts[:, 3:6].sum(axis=1, keepdims=True))
    assert predict(module, new.counts) == pytest.approx(expected, abs=1e-5)
