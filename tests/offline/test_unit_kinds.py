"""Kinds of units: told apart, passed on, and not believed further than donors showed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from offline.animals import Animal, first_trials
from offline.calibrate import Calibration, CalibrationSettings
from offline.geometry import fit_with_geometry
from offline.kinds_decoder import Shown, fit_with_kinds, kinds_in, learn_shared
from offline.live_trials import Trials
from offline.models.calibration import expected_calibration_error, fit_doubt
from offline.models.registry import predict
from offline.train_shared import train_shared_bundle
from offline.transfer import transfer_bundle
from offline.unit_kinds import kinds_prior, learn_kinds, tunings_of
from rtdecode.bundle import BundleInfo, load_bundle, save_bundle
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.tasks import LabelRule
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import tuned_session

SIDES, N_SIDES = 6, 36
UNITS = 60
AREAS = np.repeat(["rows", "columns", "silent"], UNITS // 3)
TASK = "drifting_gratings.orientation"


def animal(seed, trials):
    """Classes on a board: units of one area tell rows, of another columns, of a third nothing."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(N_SIDES), SIDES)
    tuned = {"rows": rng.normal(size=(SIDES, UNITS))[row], "silent": np.zeros((N_SIDES, UNITS))}
    tuned["columns"] = rng.normal(size=(SIDES, UNITS))[column]
    logs = np.stack([tuned[area][:, unit] for unit, area in enumerate(AREAS)], axis=1)
    codes = np.concatenate([rng.permutation(N_SIDES) for _ in range(trials)])
    counts = rng.poisson(np.exp(0.5 * logs + 0.7)[codes])[:, None].astype(np.uint16)
    grey = rng.poisson(2.0, (30, 1, UNITS)).astype(np.uint16)
    when = np.arange(len(codes))
    classes = tuple(map(str, range(N_SIDES)))
    return Animal("made", counts, codes, classes, when + 1000, grey, when[:30], AREAS)


@pytest.fixture(scope="module")
def donors():
    return [animal(seed, 30) for seed in range(4)]


@pytest.fixture(scope="module")
def learnt(donors):
    return learn_shared(donors)


def test_kinds_are_what_units_tell(donors):
    found = learn_kinds([tunings_of(donor) for donor in donors], kinds=2)
    row, column = np.divmod(np.arange(N_SIDES), SIDES)
    same = [of[:, None] == of for of in (row, column)]
    # Within a row a unit of rows responds alike, and one of columns does not.
    likeness = np.array([[c[s].mean() - c[~s].mean() for s in same] for c in found.covariances])
    assert sorted(likeness.argmax(axis=1).tolist()) == [0, 1]
    assert (likeness.max(axis=1) > 1.5 * np.abs(likeness.min(axis=1))).all()
    by_area = dict(zip(found.areas, found.weights, strict=False))
    assert by_area["rows"].sum() == pytest.approx(1)
    rows, columns = (by_area[area].sum(axis=1) for area in ("rows", "columns"))
    assert rows.argmax() != columns.argmax()
    # Units of the third area are of the smallest sizes.
    sizes = {area: (np.arange(24) * by_area[area].sum(axis=0)).sum() for area in by_area}
    assert sizes["silent"] < min(sizes["rows"], sizes["columns"]) - 5


def test_a_few_trials_give_more_than_without(learnt):
    new = animal(9, 30)
    for trials in (1, 2, 5):
        rows = first_trials(new.codes, N_SIDES, trials)
        few = new.calibrated_on(rows)
        asked = np.arange(rows[-1] + 1, len(new.codes))
        alone = fit_with_geometry(few.counts, few.codes, N_SIDES, None)[0]
        right = [
            (predict(module, new.counts[asked]).argmax(axis=1) == new.codes[asked]).mean()
            for module in (alone, fit_with_kinds(*learnt, few))
        ]
        assert right[1] > right[0] + 0.05, trials


def test_it_is_as_sure_as_donors_showed(learnt):
    new = animal(9, 60)
    rows = first_trials(new.codes, N_SIDES, 1)
    asked = np.arange(rows[-1] + 1, len(new.codes))
    said = predict(fit_with_kinds(*learnt, new.calibrated_on(rows)), new.counts[asked])
    assert expected_calibration_error(said, new.codes[asked]) < 0.1


def test_an_area_that_no_donor_had_is_taken_as_all_are(donors):
    kinds = learn_kinds([tunings_of(donor) for donor in donors])
    found = kinds.expected(np.array(["rows", "elsewhere"]))
    assert np.array_equal(found[1], kinds.weights[-1])
    assert not np.array_equal(found[0], found[1])


def test_class_means_are_drawn_to_what_their_kind_allows(donors):
    tunings = [tunings_of(donor) for donor in donors]
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.normal(size=(SIDES, UNITS)), SIDES, axis=0)
    averages = truth + rng.normal(size=truth.shape)
    number, areas = np.ones(N_SIDES, np.int64), np.full(UNITS, "rows")
    error = [
        ((kinds_prior(averages, number, areas, learn_kinds(tunings, k)).means - truth) ** 2).mean()
        for k in (1, 2)
    ]
    assert error[1] < error[0] < 0.5 * ((averages - truth) ** 2).mean()


def test_lapses_are_found_and_no_answer_is_surer_than_they_allow():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 4000)
    logits = rng.normal(0, 2, (4000, 5)) + 12.0 * (codes[:, None] == np.arange(5))
    lapsed = rng.random(4000) < 0.2
    codes[lapsed] = rng.integers(0, 5, lapsed.sum())
    found = fit_doubt(logits, codes)
    assert found.lapses == pytest.approx(0.2, abs=0.03)
    said = found.probabilities(logits)
    assert said.max() <= 1 - 0.8 * found.lapses + 1e-9
    assert said.sum(axis=1) == pytest.approx(1)
    assert expected_calibration_error(said.astype(np.float32), codes) < 0.03


def test_between_what_was_tried_sureness_goes_by_the_logarithm():
    shown = Shown(np.array([1.0, 4.0]), np.log([8.0, 2.0]), np.array([0.2, 0.1]))
    assert shown.at(2).temperature == pytest.approx(4)
    assert shown.at(2).lapses == pytest.approx(0.15)
    assert shown.at(100).temperature == pytest.approx(2)


def test_a_bundle_of_several_animals_goes_on_to_another_and_from_there(tmp_path):
    from rtdecode.session.write import write_session

    paths = []
    for seed in range(3):
        paths.append(tmp_path / f"{seed}.nwb")
        write_session(tuned_session(seed=seed), paths[-1])
    out, window = tmp_path / "kinds.pt", WindowSpec.parse("0:150:50")
    train_shared_bundle(paths, TASK, "unit-kinds", window, out)
    session = tuned_session(seed=7, n_units=18)
    for donor, new in ((out, tmp_path / "new.pt"), (tmp_path / "new.pt", tmp_path / "next.pt")):
        result = transfer_bundle(donor, session, 2, new)
        assert result.metrics["accuracy"] > 0.6
        assert Decoder.load(new).info.model == "unit-kinds"
        assert load_bundle(new)[0].shared.areas == load_bundle(out)[0].shared.areas
    with pytest.raises(UserError, match="needs a bundle of rtdecode train --model lda"):
        transfer_bundle(out, session, 2, tmp_path / "x.pt", method="geometry")
    with pytest.raises(UserError, match="two or more sessions"):
        train_shared_bundle(paths[:1], TASK, "unit-kinds", window, tmp_path / "x.pt")


def test_a_calibration_that_begins_with_nothing_keeps_the_kinds(learnt, tmp_path):
    """A blank bundle decodes from the first trial on, and is then the donor."""
    donor = tmp_path / "donor.pt"
    new = animal(9, 4)
    info = info_of(new)
    save_bundle(fit_with_kinds(*learnt, new.calibrated_on(np.arange(len(new.codes)))), info, donor)
    module, info = load_bundle(donor)
    calibration = Calibration(info, CalibrationSettings(0), print, kinds_in(module))
    blank, metrics = calibration.finish(live_trials(new))
    assert metrics == {}
    assert predict(blank, new.counts[:3]) == pytest.approx(np.full((3, N_SIDES), 1 / N_SIDES))
    kinds, shown = kinds_in(blank)
    assert np.allclose(kinds.covariances, learnt[0].covariances, atol=1e-5)
    assert np.allclose(shown.lapses, learnt[1].lapses, atol=1e-5)


def test_a_calibration_fits_what_a_transfer_would(learnt):
    new = animal(9, 4)
    calibration = Calibration(info_of(new), CalibrationSettings(2), print, learnt)
    module, metrics = calibration.finish(live_trials(new))
    whole = new.calibrated_on(np.arange(len(new.codes)))
    without = replace(whole, grey=whole.grey[:0])
    assert np.array_equal(
        predict(module, new.counts), predict(fit_with_kinds(*learnt, without), new.counts)
    )
    assert calibration.info(live_trials(new), metrics).model == "unit-kinds"
    scratch = Calibration(info_of(new), CalibrationSettings(2, from_scratch=True), print, learnt)
    assert not isinstance(scratch.finish(live_trials(new))[0], type(module))


def info_of(new):
    return BundleInfo(
        model="unit-kinds",
        task="board",
        label_rule=LabelRule(task="board", tables={}),
        classes=new.classes,
        unit_ids=tuple(range(UNITS)),
        unit_areas=tuple(AREAS.tolist()),
        window=WindowSpec.parse("0:100"),
    )


def live_trials(new):
    """What a calibration has heard."""
    trials = Trials(list(new.counts), new.codes.tolist(), new.onsets_us.tolist())
    said = {"unit_ids": tuple(range(UNITS)), "unit_areas": tuple(AREAS.tolist()), "session": "rig"}
    return SimpleNamespace(trials=trials, **said)
