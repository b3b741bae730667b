"""What goes wrong while it runs: a source killed, a process stopped, hostile markers, Ctrl-C."""

import json
import signal
import time
from pathlib import Path

import numpy as np

from rtdecode import streams
from rtdecode.posteriors import PosteriorLog
from tests.live.conftest import finish

STEADY_SOURCE = Path(__file__).with_name("steady_source.py")
PATIENCE_S = 60.0
MOST_STALE_S = 0.5  # what is promised


class HealthWatcher:
    """Reads a decoder's health messages."""

    def __init__(self, name=streams.HEALTH):
        found = streams.find(name, streams.TEXT_FORMAT, PATIENCE_S)
        self.inlet = streams.TextInlet(found)
        self.inlet.open()

    def until(self, wanted):
        """The first message that is wanted, and its stamp in seconds."""
        until = time.monotonic() + PATIENCE_S
        said = None
        while time.monotonic() < until:
            for text, stamp_us in self.inlet.pull(0.05):
                said = json.loads(text)
                if wanted(said):
                    return said, stamp_us / 1e6
        raise AssertionError(f"waited in vain; the last message was {said}")


def decoding(windows=1):
    """A message of a decoder at work that has seen so many windows."""
    return lambda said: said["state"] == "DECODING" and said["windows"] >= windows


def test_a_killed_source_is_stale_in_time_and_its_successor_is_decoded(commands, bundle, tmp_path):
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, *files)
    source = commands.start_python(STEADY_SOURCE, bundle, "the-rig")
    health = HealthWatcher()
    health.until(decoding(3))

    # As a machine that sleeps: what came meanwhile is still ours.
    decoder.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    decoder.send_signal(signal.SIGCONT)
    after, _ = health.until(decoding(8))
    assert after["spikes"]["malformed"] == 0
    assert after["spikes"]["lost"] == 0

    source.kill()
    stale, told_s = health.until(lambda said: said["state"] == "STALE")
    assert told_s - stale["since_s"] < MOST_STALE_S
    assert stale["data_age_ms"] < MOST_STALE_S * 1000
    assert stale["message"]

    commands.start_python(STEADY_SOURCE, bundle, "the-rig")
    again, _ = health.until(decoding(stale["windows"] + 3))
    assert again["spikes"]["lost"] == 0, "how much was lost between the two, no number says"

    decoder.send_signal(signal.SIGINT)
    said = finish(decoder)
    assert said.strip().endswith("stopped")
    figures = json.loads((tmp_path / "live.json").read_text())
    with np.load(tmp_path / "live.npz") as kept:
        assert len(kept["onset_us"]) == figures["windows"] >= again["windows"]


def test_hostile_markers_are_counted_and_open_no_window(commands, bundle, tmp_path):
    figures_file = tmp_path / "live.json"
    decoder = commands.start("decode", bundle, "--windows", "6", "--json", figures_file)
    commands.start_python(STEADY_SOURCE, bundle, "the-rig", "hostile")
    finish(decoder)
    figures = json.loads(figures_file.read_text())
    markers = figures["markers"]
    assert (markers["malformed"], markers["other"], markers["too_old"]) == (5, 1, 1)
    # '{"label": "90", ...}' with no session time, and the number of 400 digits.
    assert (markers["used"] >= 5, markers["unmapped"]) == (True, 1)
    assert figures["windows"] == 6


def test_stopped_before_a_stream_is_there_it_ends_and_writes_what_it_has(
    commands, bundle, tmp_path
):
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, *files)
    HealthWatcher().until(lambda said: said["state"] == "WAITING")
    decoder.send_signal(signal.SIGTERM)
    finish(decoder)
    assert json.loads((tmp_path / "live.json").read_text())["windows"] == 0
    with np.load(tmp_path / "live.npz") as kept:
        assert set(kept.files) == set(PosteriorLog([], np.empty(0, np.int64)).arrays())
        assert len(kept["onset_us"]) == len(kept["counts"]) == 0
