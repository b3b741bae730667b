"""From one animal to another by what both find alike."""

import numpy as np
import pytest

from offline.animals import Animal, first_trials
from offline.geometry import class_geometry, fit_prior, fit_with_geometry, low_rank_prior
from offline.learning_curves import CURVE_TRIALS, learn_from, learning_curve, markdown
from offline.models.read_in import fit_read_in, train_read_in, trunk_logits
from offline.models.registry import predict
from offline.train import train_bundle
from offline.transfer import transfer_bundle, trials_saved
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


def test_units_that_tell_nothing_are_taken_for_noise():
    rng = np.random.default_rng(0)
    means = rng.normal(0, 0.5, (CLASSES, 400))
    means[:, :100] += rng.normal(0, 1, (CLASSES, 100))
    prior = fit_prior(means, np.full(CLASSES, 4), None)
    kept = (prior.means * means).sum(axis=0) / (means**2).sum(axis=0)
    assert np.median(kept[:100]) > 0.7
    assert np.median(kept[100:]) < 0.1


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


def test_grey_tells_which_way_noise_goes():
    # Three shared directions of noise, much larger than what tells the classes apart.
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, UNITS))
    means = 20 + rng.normal(size=(CLASSES, UNITS))

    def draw(mean: np.ndarray) -> np.ndarray:
        shared = 4 * rng.normal(size=(len(mean), 3)) @ noise
        return np.maximum(np.round(mean + shared + rng.normal(size=mean.shape)), 0)

    codes = np.arange(CLASSES)
    asked = np.arange(CLASSES * 20) % CLASSES
    few, many = (draw(means[c])[:, None].astype(np.uint16) for c in (codes, asked))
    grey = draw(np.full((600, UNITS), 20.0))[:, None].astype(np.uint16)
    right = {
        told: (predict(fitted, many).argmax(axis=1) == asked).mean()
        for told, fitted in (
            (False, fit_with_geometry(few, codes, CLASSES, None)[0]),
            (True, fit_with_geometry(few, codes, CLASSES, None, grey=grey)[0]),
        )
    }
    assert right[True] > right[False] + 0.2


def test_means_of_low_rank_keep_the_signal_and_drop_the_noise():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(CLASSES, 1)) @ rng.normal(size=(1, 300))
    found = low_rank_prior(signal + rng.normal(size=signal.shape) / 2, np.full(CLASSES, 4)).means
    error = ((found - signal) ** 2).mean()
    assert error < 0.25 / 4
    assert np.linalg.matrix_rank(found) <= 2


def test_a_read_in_puts_a_new_animal_before_the_others_trunk():
    def white(seed: int, trials: int) -> tuple[np.ndarray, np.ndarray]:
        counts, codes = animal(seed, trials)
        x = counts[:, 0].astype(float)
        return (x - x.mean(axis=0)) / (x.std(axis=0) + 0.1), codes

    trunk, _ = train_read_in([white(seed, 60) for seed in (3, 4, 5)], CLASSES)
    z, codes = white(7, 12)
    weight, bias, _ = fit_read_in(trunk, z[: CLASSES * 4], codes[: CLASSES * 4])
    logits = trunk_logits(trunk, z[CLASSES * 4 :] @ weight + bias)
    right = (logits.argmax(axis=1) == codes[CLASSES * 4 :]).mean()
    assert right > 4 / CLASSES


def test_the_learning_curve_has_every_way():
    def whole_animal(seed: int) -> Animal:
        counts, codes = animal(seed, 12)
        grey = np.random.default_rng(seed).poisson(1.0, (100, 1, UNITS)).astype(np.uint16)
        n = np.arange(len(codes))
        classes = tuple(map(str, range(CLASSES)))
        areas = np.full(UNITS, "VISp")
        return Animal("made", counts, codes, classes, n + 1000, grey, n[:100], areas)

    rows = learning_curve(whole_animal(7), learn_from([whole_animal(s) for s in (3, 4)]), (1, 2))
    ways = {k: {row["way"] for row in rows if row["k"] == k} for k in (1, 2)}
    assert ways[2] - ways[1] == {"lda", "grey-lda"}
    assert {"own", "low-rank+grey", "geometry", "unit-kinds", "read-in", "fine-tuning"} <= ways[1]
    table = markdown(rows)
    assert table.count("\n") == 4
    assert 2 in CURVE_TRIALS


def test_trials_saved():
    curve = {
        1: {"own": 0.2, "geometry": 0.3},
        2: {"own": 0.3, "lda": 0.1, "geometry": 0.45},
        4: {"own": 0.4, "lda": 0.5, "geometry": 0.6},
    }
    assert trials_saved(curve, 1) == pytest.approx(2)
    assert 1 < trials_saved(curve, 2) < 2
    assert np.isnan(trials_saved(curve, 4))
