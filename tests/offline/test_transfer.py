"""From one animal to another by what both find alike."""

import numpy as np
import pytest

from offline.geometry import class_geometry, fit_prior, fit_with_geometry
from offline.models.registry import predict
from offline.train import train_bundle
from offline.transfer import first_trials, transfer_bundle, trials_saved
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import tuned_session

TASK = "drifting_gratings.orientation"
WINDOW = WindowSpec.parse("0:150:50")
CLASSES, UNITS = 20, 40


def animal(seed: int, trials: int, shared: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Rates of an animal's own units follow a latent place of each class that all share."""
    rng = np.random.default_rng(seed)
    latent_rng = np.random.default_rng(1 if shared else seed + 1000)
    latent = latent_rng.normal(size=(CLASSES, 3))
    rates = np.exp(0.3 * latent @ rng.normal(size=(3, UNITS)) + 0.3)
    codes = rng.permutation(np.arange(CLASSES * trials) % CLASSES)
    return rng.poisson(rates[codes])[:, None, :].astype(np.uint16), codes


def accuracy(geometry: np.ndarray | None, seed: int = 7, trials: int = 2) -> tuple[float, float]:
    counts, codes = animal(seed, 60)
    rows = first_trials(codes, CLASSES, trials)
    module, share = fit_with_geometry(counts[rows], codes[rows], CLASSES, geometry)
    rest = np.setdiff1d(np.arange(len(codes)), rows)
    right = predict(module, counts[rest]).argmax(axis=1) == codes[rest]
    return float(right.mean()), share


def test_a_shared_geometry_helps_and_a_foreign_one_is_not_used():
    shared = class_geometry(*animal(3, 60), CLASSES)
    foreign = class_geometry(*animal(4, 60, shared=False), CLASSES)
    alone, _ = accuracy(None)
    helped, share = accuracy(shared)
    hindered, foreign_share = accuracy(foreign)
    assert helped > alone + 0.03
    assert share >= 0.75
    assert foreign_share < share
    assert hindered > alone - 0.03


def test_one_trial_a_class_is_enough_to_begin():
    shared = class_geometry(*animal(3, 60), CLASSES)
    assert accuracy(shared, trials=1)[0] > 3 / CLASSES


def test_geometry_has_no_noise_on_its_diagonal_and_is_a_covariance():
    geometry = class_geometry(*animal(3, 60), CLASSES)
    assert np.trace(geometry) == pytest.approx(CLASSES)
    assert np.linalg.eigvalsh(geometry).min() > -1e-9


def test_without_geometry_means_are_drawn_to_the_centre_by_their_noise():
    rng = np.random.default_rng(0)
    means = rng.normal(0, np.sqrt(1 + 0.25), (CLASSES, 400))
    prior = fit_prior(means, np.full(CLASSES, 4), None)
    # Signal 1 and noise 1/4: the posterior keeps 1 / 1.25 of an average.
    kept = (prior.means * means).sum() / (means**2).sum()
    assert kept == pytest.approx(0.8, abs=0.06)


def test_a_bundle_of_one_animal_becomes_one_of_another(tmp_path):
    donor, other = tmp_path / "donor.pt", tmp_path / "other.pt"
    train_bundle(tuned_session(seed=0), TASK, "lda", WINDOW, donor)
    session = tuned_session(seed=1, n_units=18)
    result = transfer_bundle(donor, session, 5, other)
    decoder = Decoder.load(other)
    assert decoder.info.unit_ids == tuple(session.units.ids.tolist())
    assert result.metrics["accuracy"] > 0.8
    assert decoder.info.sessions[-1].last_training_onset_us > 0
    with pytest.raises(UserError, match="--force"):
        transfer_bundle(donor, session, 5, other)
    with pytest.raises(UserError, match="--trials-per-class"):
        transfer_bundle(donor, session, 500, tmp_path / "none.pt")
    assert not (tmp_path / "none.pt").exists()


def test_trials_saved():
    curve = {
        1: {"own": 0.2, "geometry": 0.3},
        2: {"own": 0.3, "lda": 0.1, "geometry": 0.45},
        4: {"own": 0.4, "lda": 0.5, "geometry": 0.6},
    }
    assert trials_saved(curve, 1) == pytest.approx(2)
    assert 1 < trials_saved(curve, 2) < 2
    assert np.isnan(trials_saved(curve, 4))
