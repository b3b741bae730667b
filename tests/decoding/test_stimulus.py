"""Types of stimuli by way of the stimuli, and windows without a response."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from offline.models.data import TrainingData
from offline.models.linear import NEVER, LinearMap
from offline.models.registry import fit_model, predict
from offline.models.stimulus import StimulusClassifier, evidence, memberships, roots, stimulus_maps

STIMULI, UNITS, BLOCKS = 12, 40, 6
CLASS_OF = np.repeat([0, 1], STIMULI // 2)


def alternating_blocks(seed=0, drift=0.6, silent=0.0):
    """Blocks of one class each, in turn, between which every unit drifts; some windows are grey."""
    rates = np.random.default_rng(5).gamma(2, 1.5, (STIMULI + 1, UNITS))
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(BLOCKS), 150)
    stimuli = rng.integers(0, STIMULI // 2, len(blocks)) + STIMULI // 2 * (blocks % 2)
    shown = np.where(rng.random(len(blocks)) < silent, STIMULI, stimuli)
    moved = np.exp(drift * rng.standard_normal((BLOCKS + 1, UNITS)))
    counts = rng.poisson(rates[shown] * moved[blocks])
    grey = rng.poisson(rates[STIMULI] * moved[BLOCKS], (300, UNITS))
    return TrainingData(
        counts[:, None].astype(np.uint16),
        CLASS_OF[stimuli],
        2,
        blocks,
        stimuli,
        CLASS_OF,
        grey=grey[:, None].astype(np.uint16),
    )


def test_a_block_left_out_is_told_by_its_stimuli_where_two_classes_learn_the_drift():
    found = {"lda": [], "stimulus-lda": []}
    for seed in range(3):
        for fitted, held in alternating_blocks(seed).inner_folds():
            for model, right in found.items():
                top = predict(fit_model(model, fitted), held.counts).argmax(axis=1)
                right.append((top == held.codes).mean())
    assert np.mean(found["stimulus-lda"]) > np.mean(found["lda"]) + 0.1


def test_grey_tells_no_class_and_few_windows_without_response_spoil_a_sum():
    data = alternating_blocks(drift=0.1, silent=0.3)
    module = fit_model("stimulus-lda", data)
    silent = predict(module, data.grey).max(axis=1)
    told = predict(module, data.counts).max(axis=1)
    assert np.median(silent) < 0.7 < np.median(told)


def test_the_module_is_the_evidence_that_was_chosen_by():
    data = alternating_blocks()
    stimuli = stimulus_maps(data)[0.15, 0.3]
    membership = memberships(CLASS_OF, 2)
    module = StimulusClassifier(stimuli, membership, 0.1, 2.0).eval()
    scores = evidence(stimuli.logits(roots(data.counts)), membership, 0.1)
    assert predict(module, data.counts) == pytest.approx(softmax(scores / 2.0, axis=1), abs=1e-4)


def test_a_stimulus_that_no_training_trial_showed_is_never_likely():
    data = alternating_blocks()
    fitted = data.take(data.conditions != 3)
    for one in stimulus_maps(fitted).values():
        assert isinstance(one, LinearMap)
        assert one.bias[3] == NEVER
    assert (np.isfinite(predict(fit_model("stimulus-lda", fitted), data.counts))).all()


def test_without_grey_it_does_without():
    data = replace(alternating_blocks(), grey=np.empty((0, 0, 0), np.uint16))
    module = fit_model("stimulus-lda", data)
    assert (predict(module, data.counts).argmax(axis=1) == data.codes).mean() > 0.8
