"""A new mouse on the rig: its decoder fitted while its trials arrive, and swapped in."""

import json
import multiprocessing
import signal
import time
from contextlib import closing

import numpy as np
import pytest

from offline.calibrate import CalibrationSettings, Problem, Worker, calibrate, folds_of
from offline.live_trials import LiveTrials, units_to_decode
from offline.models.registry import predict
from offline.simulate import simulate
from offline.train import train_bundle
from offline.transfer import transfer_bundle
from rtdecode import streams
from rtdecode.bundle import load_bundle
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.live_settings import LiveSettings
from rtdecode.session import Units, read_session
from rtdecode.tasks import apply_rule
from rtdecode.windows import WindowSpec
from tests.live.conftest import finish
from tests.live.observers import PATIENCE_S, Heard, sha256_of

SPEED, PER_CLASS = 2, 7
TRIALS, MORE = 150, 20  # played at most; windows after the swap
IN_TIME = "--speed=1"  # so that it is swapped before they are over, on a busy machine too


@pytest.fixture(scope="module")
def new_mouse(tmp_path_factory):
    """A session of a mouse that the donor's bundle has not seen."""
    (path,) = simulate(tmp_path_factory.mktemp("new"), 1, 8, "small")
    return path


@pytest.fixture(scope="module")
def bundle(session_file, tmp_path_factory):
    """A donor's: of the gratings' spatial frequency, which few trials are enough to tell."""
    path = tmp_path_factory.mktemp("donor") / "donor.pt"
    window, task = WindowSpec.parse("0:250:50"), "static_gratings.spatial_frequency"
    train_bundle(read_session(session_file), task, "lda", window, path)
    return path


@pytest.fixture(scope="module")
def running(bundle, new_mouse, tmp_path_factory):
    """What decodes the new mouse before it is calibrated: two trials a class."""
    path = tmp_path_factory.mktemp("running") / "running.pt"
    transfer_bundle(bundle, read_session(new_mouse), 2, path)
    return path


def gratings(path, bundle):
    """The task's presentations of a session, and the session."""
    session, info = read_session(path), load_bundle(bundle)[1]
    task = apply_rule(session, info.label_rule)
    return session, task.take(task.codes(info.classes) >= 0)


def start_replay(commands, path, bundle, *options):
    """The last gratings at some times the speed; when the first window is to be, session time."""
    onsets_us = gratings(path, bundle)[1].onsets_us[-TRIALS:]
    stretch = [f"--start={onsets_us[0] / 1e6 - 0.1:.6f}", f"--speed={SPEED}", *options]
    return commands.start("replay", path, *stretch), onsets_us


def test_a_new_mouse_is_calibrated_while_it_is_decoded(commands, running, new_mouse, tmp_path):
    new, files = tmp_path / "new.pt", ["--posteriors", tmp_path / "live.npz"]
    decoder = commands.start("decode", running, "--once", "--lateness", "1000", *files)
    asked = ["--trials-per-class", PER_CLASS, "--out", new, "--swap", "--json", tmp_path / "c.json"]
    calibration = commands.start("calibrate", running, *asked)
    heard = Heard(decoder)
    options = ["--wait", "decoder", IN_TIME]
    replay, onsets_us = start_replay(commands, new_mouse, running, *options)
    told = finish(calibration)
    swapped, decisions = end_after_the_swap(heard, new, decoder, replay)
    assert [said["window"] for said in decisions] == list(range(len(decisions))), "none is missed"
    assert [said["session_us"] for said in decisions] == onsets_us[: len(decisions)].tolist()
    bundles = [said["bundle"] for said in decisions]
    changed = bundles.index(swapped["bundle"])
    assert 0 < changed < len(bundles)
    assert set(bundles[:changed]) == {sha256_of(running)}
    assert set(bundles[changed:]) == {swapped["bundle"]}
    assert all(said["complete"] for said in decisions)

    metrics = json.loads((tmp_path / "c.json").read_text())
    assert metrics["trials_per_class"] >= PER_CLASS
    assert "left out in turn are right" in told.replace("\n", " "), "told while trials arrive"
    assert_fitted_to_the_same_counts(new, new_mouse, metrics)
    assert_decides_as_on_the_file(new, new_mouse, decisions[changed:])


def end_after_the_swap(heard, new, decoder, replay):
    """The first decision by the new bundle, and all up to some later; then all is ended."""
    swapped = heard.until(streams.DECISIONS, lambda said: said["bundle"] == sha256_of(new))
    enough = swapped["window"] + MORE
    heard.until(streams.DECISIONS, lambda said: said["window"] >= enough)
    for child in (decoder, replay):
        child.send_signal(signal.SIGINT)
        finish(child)
    heard.listen()
    return swapped, heard.said[streams.DECISIONS]


def assert_fitted_to_the_same_counts(new, path, metrics):
    """What was fitted and measured live is what the file's own counts of these trials give."""
    module, info = load_bundle(new)
    counts, codes, onsets_us = trials_of(path, new)
    last = int(np.flatnonzero(onsets_us == info.sessions[-1].last_training_onset_us)[0])
    rows = np.arange(last + 1 - int(metrics["trials"]), last + 1)
    geometry = np.array(info.class_geometry)
    problem = Problem(counts[rows], codes[rows], len(info.classes), geometry, 0)
    fitted = problem.fit(np.arange(len(rows)))
    np.testing.assert_allclose(predict(module, counts), predict(fitted, counts), atol=1e-6)
    assert metrics["accuracy"] == pytest.approx(problem.measure()["accuracy"])
    # Of all trials that it has not seen: those of a minute would be too few to tell.
    others = np.setdiff1d(np.arange(len(codes)), rows)
    right = predict(module, counts[others]).argmax(axis=1) == codes[others]
    assert right.mean() > 1.2 / len(info.classes)


def assert_decides_as_on_the_file(new, path, decisions):
    """What was said live is what the bundle says of the file's counts."""
    module, info = load_bundle(new)
    counts, _, onsets_us = trials_of(path, new)
    rows = np.searchsorted(onsets_us, [said["session_us"] for said in decisions])
    tops = predict(module, counts[rows]).argmax(axis=1)
    assert [said["top"] for said in decisions] == [info.classes[top] for top in tops]


def trials_of(path, bundle):
    """Counts, classes and onsets of a bundle's windows in a session."""
    session, task = gratings(path, bundle)
    info = load_bundle(bundle)[1]
    session = session.take_units(rows_of(session, info.unit_ids))
    counts = count_session(session, task.onsets_us, info.window)
    return counts, task.codes(info.classes), task.onsets_us


def rows_of(session, unit_ids):
    """Where these units are in a session; each of it once."""
    rows = np.array([int(np.flatnonzero(session.units.ids == i)[0]) for i in unit_ids])
    assert sorted(rows.tolist()) == list(range(len(session.units)))
    return rows


def test_an_animal_that_nobody_has_recorded_is_decoded_from_nothing_on(
    commands, bundle, new_mouse, tmp_path
):
    """On two probes, of which no bundle knows a unit: first every class is as likely."""
    blank, new = tmp_path / "blank.pt", tmp_path / "new.pt"
    probes = sorted(set(read_session(new_mouse).units.probes.tolist()))
    assert len(probes) == 2
    spikes = ["--spikes", ",".join(f"{streams.SPIKES}-{probe}" for probe in probes)]
    options = ["--by-probe", "--wait", "decoder", IN_TIME]
    replay, onsets_us = start_replay(commands, new_mouse, bundle, *options)
    commands.run("calibrate", bundle, *spikes, "--trials-per-class", 0, "--out", blank)
    decoder = commands.start("decode", blank, *spikes, "--once", "--lateness", "1000")
    asked = ["--trials-per-class", PER_CLASS, "--out", new, "--swap"]
    calibration = commands.start("calibrate", blank, *spikes, *asked)
    heard = Heard(decoder)
    finish(calibration)
    swapped, decisions = end_after_the_swap(heard, new, decoder, replay)
    onsets_us = onsets_us[: len(decisions)].tolist()
    assert [said["session_us"] for said in decisions] == onsets_us, "none is missed"
    assert all(said["complete"] for said in decisions)
    blind = [said for said in decisions if said["bundle"] == sha256_of(blank)]
    sighted = decisions[len(blind) :]
    assert blind
    assert sighted[0]["window"] == swapped["window"]
    info = load_bundle(new)[1]
    assert {said["p"] for said in blind} == {round(1 / len(info.classes), 6)}
    assert_fitted_to_the_same_counts(new, new_mouse, info.metrics)
    assert_decides_as_on_the_file(new, new_mouse, sighted)


def test_stopped_too_early_it_writes_nothing(commands, bundle, new_mouse, tmp_path):
    out = tmp_path / "new.pt"
    options = ["--trials-per-class", "1000", "--from-scratch", "--out", out]
    calibration = commands.start("calibrate", bundle, *options)
    start_replay(commands, new_mouse, bundle)
    inlet = streams.find(streams.SPIKES, streams.SPIKE_FORMAT, PATIENCE_S)
    assert inlet is not None
    line = ""
    while "1 trials" not in line:
        line = calibration.stderr.readline()
    calibration.send_signal(signal.SIGINT)
    assert "nothing is written" in finish(calibration, code=2)
    assert not out.exists()


def test_at_the_replays_end_it_writes_what_it_has(commands, bundle, new_mouse, tmp_path):
    out = tmp_path / "new.pt"
    calibration = commands.start(
        "calibrate", bundle, "--trials-per-class", "1000", "--from-scratch", "--out", out
    )
    onsets_us = gratings(new_mouse, bundle)[1].onsets_us
    stop = f"--stop={onsets_us[-TRIALS + 60] / 1e6:.6f}"
    finish(start_replay(commands, new_mouse, bundle, stop)[0])
    finish(calibration)
    info = load_bundle(out)[1]
    assert info.model == "lda"
    assert set(info.unit_ids) == set(read_session(new_mouse).units.ids.tolist())
    assert info.sessions[-1].name == read_session(new_mouse).name


def test_each_class_is_in_every_fit():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 60)
    folds = folds_of(codes, 4)
    assert folds.max() == 4
    for fold in range(5):
        assert set(codes[folds != fold]) == {0, 1, 2, 3}
    for code in range(4):
        assert (np.diff(folds[codes == code]) >= 0).all(), "stretches of time"


def test_what_is_measured_was_left_out():
    """Of counts that tell nothing no more than chance is right, though a fit knows its own."""
    rng = np.random.default_rng(0)
    counts, codes = rng.poisson(2, (40, 2, 30)).astype(np.uint16), rng.permutation(40) % 4
    problem = Problem(counts, codes, 4, None, 0)
    own = predict(problem.fit(np.arange(40)), counts).argmax(axis=1)
    assert (own == codes).mean() > 0.9
    measured = problem.measure()
    assert measured["trials"] == 40
    assert measured["accuracy"] < 0.6


def test_a_problem_is_wanted_once_and_not_while_another_is_measured():
    """What makes one copies all trials, and is asked for fifty times a second."""
    codes = np.arange(20) % 2
    problem = Problem(np.ones((20, 1, 3), np.uint16), codes, 2, None, 0)
    with closing(Worker()) as worker:
        assert worker.wants(20)
        worker.measure(problem)
        assert not worker.wants(21)
        wait_for(lambda: worker.result() is not None)
        assert not worker.wants(20)
        assert worker.wants(21)


def test_trials_go_on_where_what_measures_them_is_killed():
    codes = np.arange(20) % 2
    problem = Problem(np.ones((20, 1, 3), np.uint16), codes, 2, None, 0)
    with closing(Worker()) as worker:
        worker.measure(problem)
        for child in multiprocessing.active_children():
            child.kill()
        wait_for(lambda: worker.result() is None and worker._running is None)
        assert not worker.wants(1000), "there is nobody to measure"


def test_a_trial_that_misses_spikes_is_left_out(go_bundle):
    info = load_bundle(go_bundle)[1]
    n = len(info.unit_ids)
    ids = np.array(info.unit_ids, np.int64)
    units = Units(ids, np.full(n, ""), np.full(n, np.nan), np.full(n, ""))
    rows, stimuli = streams.SpikeOutlet(units, "gappy"), streams.TextOutlet("gappy-stimuli")
    how = LiveSettings(spikes=("gappy",), stimuli="gappy-stimuli")
    live = LiveTrials.open(info, how, lambda: True, lambda line: None)
    begin_us, mark = streams.clock_us(), np.array([streams.WATERMARK], np.int32)
    rows.push(mark, np.array([begin_us - 1]))
    for trial in range(3):
        onset_us = begin_us + 200_000 * trial
        stimuli.push(info.classes[trial % 2], onset_us)
        wait_for(lambda: is_waiting(live))
        rows.push(ids[:1].astype(np.int32), np.array([onset_us + 10_000]))
        rows.sequence += trial == 1  # a row that never comes
        rows.push(mark, np.array([onset_us + info.window.duration_us]))
        wait_for(lambda trial=trial: decided(live) == trial + 1)
    assert live.incomplete == 1
    assert live.trials.codes == [0, 0]
    assert [counts.sum() for counts in live.trials.counts] == [1, 1]


def is_waiting(live):
    """Whether a window is open, for its marker has come."""
    live.pull()
    return live._engine.next_end_us is not None


def decided(live):
    """Windows that were decided so far."""
    live.pull()
    return len(live.trials) + live.incomplete


def wait_for(holds):
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until


def test_units_are_the_donors_where_the_stream_has_them():
    def units(*ids):
        n = len(ids)
        return Units(np.array(ids, np.int64), np.full(n, ""), np.full(n, np.nan), np.full(n, ""))

    class Donor:
        unit_ids = (5, 3)

    assert units_to_decode(Donor, units(3, 4, 5)).ids.tolist() == [5, 3]
    assert units_to_decode(Donor, units(3, 4)).ids.tolist() == [3, 4]
    with pytest.raises(UserError, match="tell its units"):
        units_to_decode(Donor, None)


def test_what_cannot_be_is_refused_before_any_stream(bundle, tmp_path):
    out = tmp_path / "new.pt"
    with pytest.raises(UserError, match="2 or more"):
        calibrate(bundle, out, CalibrationSettings(1), print)
    out.write_text("mine")
    with pytest.raises(UserError, match="--force"):
        calibrate(bundle, out, CalibrationSettings(5), print)
    assert out.read_text() == "mine"
