"""Decisions that fall early: live over LSL, from the record and on the virtual clock the same."""

import gc
import json

import h5py
import numpy as np
import pytest

from offline.train import train_bundle
from rtdecode.decoder import Decoder
from rtdecode.early import StoppingRule
from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.live import LiveDecoder
from rtdecode.live_settings import LiveSettings
from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from rtdecode.windows import WindowSpec
from tests.live.conftest import Commands, finish
from tests.live.test_online_is_offline import PATIENT, assert_equal_bit_for_bit, between, read

TASK = "static-gratings-orientation"
# Lower than the bundle's own, so that decisions fall after many numbers of bins.
EARLY = ("--early", "-o", "engine.decide_at=0.4")
BIN_US, N_BINS = 25_000, 10


@pytest.fixture(scope="module")
def early_bundle(session_file, tmp_path_factory):
    """An LDA of the counts so far, 250 ms in ten bins."""
    path = tmp_path_factory.mktemp("early") / "early.pt"
    window = WindowSpec(0, N_BINS * BIN_US, BIN_US)
    train_bundle(read_session(session_file), TASK, "early-lda", window, path)
    return path


@pytest.fixture(scope="module")
def stretch(session_file):
    """Start and stop, seconds, about the last 60 gratings: kept out of training."""
    onsets = resolve_task(read_session(session_file), TASK).onsets_us
    return onsets[-60] / 1e6 - 0.3, onsets[-1] / 1e6 + 0.5


def decode(commands, bundle, session, folder, *options):
    """A session or record on the virtual clock: what it gives, and its figures."""
    files = ["--posteriors", folder / "p.npz", "--json", folder / "f.json", "--force"]
    commands.run("decode", bundle, "--session", session, *files, *options)
    return read(folder / "p.npz"), json.loads((folder / "f.json").read_text())


@pytest.fixture(scope="module")
def replayed(session_file, early_bundle, stretch, tmp_path_factory):
    """A replay, decided early and recorded: where the files lie."""
    folder, commands = tmp_path_factory.mktemp("live"), Commands()
    files = ["--record", folder / "run.nwb", "--posteriors", folder / "live.npz"]
    files += ["--json", folder / "live.json"]
    try:
        decoder = commands.start("decode", early_bundle, "--once", *EARLY, *PATIENT, *files)
        finish(commands.start("replay", session_file, *between(stretch), "--wait", "decoder"))
        finish(decoder)
    finally:
        commands.end()
    return folder


def test_live_and_on_the_virtual_clock_are_equal(
    commands, session_file, early_bundle, stretch, replayed, tmp_path
):
    options = [*between(stretch), *EARLY]
    offline, figures = decode(commands, early_bundle, session_file, tmp_path, *options)
    live = read(replayed / "live.npz")
    assert_equal_bit_for_bit(live, offline)
    np.testing.assert_array_equal(live["bins_used"], offline["bins_used"])
    assert live["complete"].all()
    assert len(set(live["bins_used"].tolist())) > 3
    used = np.arange(N_BINS) < live["bins_used"][:, None]
    assert not live["counts"][~used].any()
    told = json.loads((replayed / "live.json").read_text())
    assert told["decided"] == figures["decided"]
    mean_ms = live["bins_used"].mean() * BIN_US / 1000
    assert figures["decided"]["mean_ms"] == pytest.approx(mean_ms, abs=1e-3)
    assert figures["decided"]["window_ms"] == 250
    assert told["spikes"]["on_time"] > 1000
    assert sum(told["spikes"].values()) == told["spikes"]["on_time"]


def test_the_record_decides_the_same_again(commands, early_bundle, replayed, tmp_path):
    again, figures = decode(commands, early_bundle, replayed / "run.nwb", tmp_path)
    live = read(replayed / "live.npz")
    assert_equal_bit_for_bit(live, again)
    for name in ("complete", "bins_used"):
        np.testing.assert_array_equal(live[name], again[name])
    n = len(live["onset_us"])
    assert figures["as_recorded"] == {"equal": n, "of": n, "other_bundle": 0}


def test_a_record_can_be_decided_otherwise_where_that_is_asked_for(
    commands, early_bundle, replayed, tmp_path
):
    same, figures = decode(commands, early_bundle, replayed / "run.nwb", tmp_path, *EARLY)
    assert figures["as_recorded"]["equal"] == len(same["onset_us"])
    sooner = ("--early", "-o", "engine.decide_at=0.3")
    other, figures = decode(commands, early_bundle, replayed / "run.nwb", tmp_path, *sooner)
    assert "as_recorded" not in figures
    assert other["bins_used"].sum() < same["bins_used"].sum()


def test_messages_and_stamps_end_where_what_was_used_ends(replayed):
    with h5py.File(replayed / "run.nwb") as file:
        module = file["processing/rtdecode"]
        said = [json.loads(text) for text in module["decisions/data"][:]]
        stamps = {name: module[f"{name}/timestamps"][:] for name in ("decisions", "posteriors")}
        zero_us = json.loads(file["general/notes"][()])["zero_us"]
    live = read(replayed / "live.npz")
    assert [one["bins_used"] for one in said] == live["bins_used"].tolist()
    assert {one["bins"] for one in said} == {N_BINS}
    ends_us = np.array([one["end_us"] for one in said])
    for one in said:
        assert one["end_us"] - one["start_us"] == one["bins_used"] * BIN_US
    for stamped in stamps.values():
        np.testing.assert_array_equal(np.round(stamped * 1e6).astype(int) + zero_us, ends_us)
    for one, counts in zip(said, live["counts"], strict=True):
        assert one["in_window"] == counts.sum()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--early"], "expected a bundle that can decide early, found one of 'lda'"),
        (["--early", "--session", "SESSION"], "expected a bundle that can decide early"),
    ],
)
def test_a_bundle_that_cannot_is_refused_in_a_line(commands, bundle, session_file, options, told):
    given = [session_file if option == "SESSION" else option for option in options]
    said = commands.run("decode", bundle, *given, code=2)
    assert told in " ".join(said.split())


def test_a_successor_must_decide_early_too(early_bundle, bundle):
    how = EngineSettings(early=True, decide_at=0.4, capacity=1024)
    live = LiveDecoder(Decoder.load(early_bundle), LiveSettings(engine=how))
    running, rule = live.decoder, live.engine.rule
    with pytest.raises(UserError, match="can decide early"):
        live.swap(Decoder.load(bundle))
    assert (live.decoder, live.engine.rule) == (running, rule)
    live.swap(successor := Decoder.load(early_bundle))
    assert live.engine.rule == StoppingRule(successor.predict_upto, rule.steps, 0.4)
    # Its streams go with it, or whoever comes next hears two decoders.
    del live
    gc.collect()


def test_early_and_sliding_are_refused_together(commands, early_bundle):
    said = commands.run("decode", early_bundle, "--early", "--sliding", "20", code=2)
    assert "found sliding ones" in " ".join(said.split())
