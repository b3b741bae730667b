"""The same session decoded over LSL between processes and on the virtual clock."""

import json
from pathlib import Path

import numpy as np
import pytest

from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from tests.live.conftest import finish

SHUFFLED_SOURCE = Path(__file__).with_name("shuffled_source.py")
# A machine that stalls for longer than the lateness loses spikes, rightly; not the point here.
PATIENT = ("--lateness", "1000")
KEPT = ("onset_us", "counts", "probabilities", "classes", "unit_ids", "label")


def read(path):
    """Arrays of a posterior file."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_equal_bit_for_bit(live, offline):
    """Windows, counts and probabilities; not one element may differ."""
    assert len(offline["onset_us"]) > 10
    assert offline["counts"].sum() > 1000
    for name in KEPT:
        assert live[name].dtype == offline[name].dtype, name
        np.testing.assert_array_equal(live[name], offline[name], err_msg=name)


@pytest.fixture(scope="module")
def stretch(session_file):
    """Start and stop, seconds, about the last 40 gratings: kept out of training."""
    onsets = resolve_task(read_session(session_file), "static-gratings-orientation").onsets_us
    return onsets[-40] / 1e6 - 0.3, onsets[-1] / 1e6 + 0.5


@pytest.fixture(scope="module")
def offline(session_file, bundle, stretch, tmp_path_factory):
    """The stretch on the virtual clock."""
    from tests.live.conftest import Commands

    path = tmp_path_factory.mktemp("offline") / "posteriors.npz"
    Commands().run(
        "decode", bundle, "--session", session_file, *between(stretch), "--posteriors", path
    )
    return read(path)


def between(stretch):
    """The stretch as options."""
    return [f"--start={stretch[0]:.6f}", f"--stop={stretch[1]:.6f}"]


@pytest.mark.parametrize(
    ("decode_options", "replay_options"),
    [([], []), (["--plain"], []), ([], ["--speed", "4"])],
    ids=["native", "plain", "four times as fast"],
)
def test_replayed_live_and_decoded_offline_are_equal(
    commands, session_file, bundle, stretch, offline, tmp_path, decode_options, replay_options
):
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--once", *files, *PATIENT, *decode_options)
    replay = commands.start(
        "replay", session_file, *between(stretch), "--wait", "decoder", *replay_options
    )
    finish(replay)
    finish(decoder)
    live = read(tmp_path / "live.npz")
    assert_equal_bit_for_bit(live, offline)
    assert live["complete"].all()
    figures = json.loads((tmp_path / "live.json").read_text())
    assert_every_spike_on_time(figures["spikes"], session_file, stretch)


def test_posteriors_that_the_pump_sends_are_those_of_the_virtual_clock(
    commands, session_file, bundle, stretch, tmp_path
):
    """The event backend, where compiled code answers; the stages stay those of the window."""
    options = ["--backend", "event", "--posteriors"]
    commands.run(
        *("decode", bundle, "--session", session_file, *between(stretch)),
        *(*options, tmp_path / "offline.npz"),
    )
    files = [tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--once", *options, *files, *PATIENT)
    finish(
        commands.start(
            "replay", session_file, *between(stretch), "--wait", "decoder", "--speed", "4"
        )
    )
    finish(decoder)
    assert_equal_bit_for_bit(read(tmp_path / "live.npz"), read(tmp_path / "offline.npz"))
    latency_ms = json.loads((tmp_path / "live.json").read_text())["latency_ms"]
    assert latency_ms["bin"]["max"] == 0.0  # counts are made behind the posterior
    assert latency_ms["infer"]["p50"] > 0.0


def assert_every_spike_on_time(tally, session_file, stretch):
    """As many on time as the session has in the stretch, nothing else."""
    times_us, _ = read_session(session_file).in_time_order()
    low, high = np.searchsorted(times_us, [round(edge * 1e6) for edge in stretch])
    assert tally == dict.fromkeys(tally, 0) | {"on_time": high - low}


@pytest.mark.parametrize("mode", ["watermarks", "silent"])
def test_shuffled_within_the_lateness_is_equal_too(
    commands, session_file, bundle, stretch, offline, tmp_path, mode
):
    """A source of its own shuffles spikes, sends some twice, adds strangers and nonsense."""
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--once", *files, *PATIENT)
    source = commands.start_python(
        SHUFFLED_SOURCE, session_file, *stretch, mode, tmp_path / "sent.json"
    )
    finish(source)
    finish(decoder)
    live = read(tmp_path / "live.npz")
    assert_equal_bit_for_bit(live, offline)
    assert bool(live["complete"].all()) is (mode == "watermarks")
    figures = json.loads((tmp_path / "live.json").read_text())
    assert figures["spikes"] == json.loads((tmp_path / "sent.json").read_text())


@pytest.mark.parametrize(("window", "low", "high"), [("0:100:10", 0.95, 1.0), ("0:30:10", 0, 0.42)])
def test_real_spike_times_live(commands, allen_gratings_path, tmp_path, window, low, high):
    """Real Allen spikes: four directions from 100 ms, nothing from the first 30 ms.

    Chance is .25; of 60 trials, 25 right (.42) has a probability of .003 by chance.
    """
    bundle = tmp_path / "decoder.pt"
    task = "drifting_gratings.orientation"
    commands.run(
        "train", allen_gratings_path, "--task", task, "--model", "lda",
        "--window", window, "--out", bundle,
    )  # fmt: skip
    decoder = commands.start("decode", bundle, "--once", "--json", tmp_path / "live.json", *PATIENT)
    onsets = resolve_task(read_session(allen_gratings_path), task).onsets_us
    start = ["--start", onsets[-60] / 1e6 - 0.2]
    finish(
        commands.start("replay", allen_gratings_path, *start, "--wait", "decoder", "--speed", "3")
    )
    finish(decoder)
    figures = json.loads((tmp_path / "live.json").read_text())
    assert figures["windows"] == figures["labelled"] == 60
    assert low <= figures["accuracy"] <= high
