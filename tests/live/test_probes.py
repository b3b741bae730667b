"""Several probes: one session all the same; one that dies is named, by either policy."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from rtdecode import streams
from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from tests.live.conftest import finish
from tests.live.test_online_is_offline import (
    PATIENT,
    assert_equal_bit_for_bit,
    assert_every_spike_on_time,
    between,
    read,
)
from tests.live.test_watchdog import PATIENCE_S, HealthWatcher, decoding

PROBE_SOURCE = Path(__file__).with_name("probe_source.py")


@pytest.fixture(scope="module")
def stretch(session_file):
    """Start and stop, seconds, about the last 24 gratings."""
    onsets = resolve_task(read_session(session_file), "static-gratings-orientation").onsets_us
    return onsets[-24] / 1e6 - 0.3, onsets[-1] / 1e6 + 0.5


@pytest.mark.parametrize("options", [[], ["--plain"], ["--backend", "event"]])
def test_two_probes_are_one_session_bit_for_bit(
    commands, session_file, bundle, stretch, tmp_path, options
):
    backend = options if "event" in options else []
    commands.run(
        "decode", bundle, "--session", session_file, *between(stretch), *backend,
        "--posteriors", tmp_path / "offline.npz",
    )  # fmt: skip
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    names = [f"{streams.SPIKES}-{probe}" for probe in probes(session_file)]
    assert len(names) == 2
    asked = ",".join(names) if not options else "all"
    decoder = commands.start(
        "decode", bundle, "--once", *files, *PATIENT, "--spikes", asked, *options
    )
    replay = commands.start(
        "replay", session_file, *between(stretch), "--by-probe", "--wait", "decoder"
    )
    finish(replay)
    finish(decoder)
    live = read(tmp_path / "live.npz")
    assert_equal_bit_for_bit(live, read(tmp_path / "offline.npz"))
    assert live["complete"].all()
    figures = json.loads((tmp_path / "live.json").read_text())
    assert_every_spike_on_time(figures["spikes"], session_file, stretch)


def probes(session_file):
    return np.unique(read_session(session_file).units.probes).tolist()


class DecisionWatcher(HealthWatcher):
    """Reads a decoder's decisions."""

    def __init__(self):
        found = streams.find(streams.DECISIONS, streams.TEXT_FORMAT, PATIENCE_S)
        self.inlet = streams.TextInlet(found)
        self.inlet.open()


def test_a_probe_that_dies_makes_the_data_stale_and_is_named(commands, bundle):
    decoder = commands.start("decode", bundle, "--spikes", "probe-a,probe-b")
    commands.start_python(PROBE_SOURCE, bundle, "a", 0, "markers")
    dying = commands.start_python(PROBE_SOURCE, bundle, "b", 1)
    health = HealthWatcher()
    health.until(decoding(3))
    dying.kill()
    said, told_s = health.until(lambda said: said["state"] == "STALE")
    assert said["message"] == "no spikes or watermarks from probe-b"
    assert told_s - said["since_s"] < 0.5
    assert [stream["silent"] for stream in said["streams"]] == [False, True]
    assert not decoder.poll()


def test_the_others_go_on_without_a_dead_probe_and_say_so(commands, bundle, tmp_path):
    go_on = ["-o", "streams.silent=go-on", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--spikes", "probe-a,probe-b", *go_on)
    commands.start_python(PROBE_SOURCE, bundle, "a", 0, "markers")
    dying = commands.start_python(PROBE_SOURCE, bundle, "b", 1)
    health, decisions = HealthWatcher(), DecisionWatcher()
    health.until(decoding(3))
    whole, _ = decisions.until(lambda said: said["complete"])
    assert whole["missing"] == []
    assert set(whole["rows"]) == {"probe-a", "probe-b"}
    dying.kill()
    said, _ = health.until(lambda said: "going on without probe-b" in said["message"])
    assert said["state"] == "DECODING"
    # By the living probe's watermark, not by lateness; and never as if nothing were amiss.
    without, _ = decisions.until(lambda said: said["missing"] and said["closed_by"] == "watermark")
    assert (without["missing"], without["complete"]) == (["probe-b"], False)
    assert without["in_window"] > 0
    health.until(decoding(said["windows"] + 5))

    commands.start_python(PROBE_SOURCE, bundle, "b", 1)
    decisions.until(lambda said: said["window"] > without["window"] and said["complete"])
    said, _ = health.until(lambda said: not said["message"])
    assert [stream["silent"] for stream in said["streams"]] == [False, False]
    decoder.send_signal(signal.SIGINT)
    finish(decoder)


def test_what_each_probe_loses_is_counted_apart(commands, bundle):
    commands.start("decode", bundle, "--spikes", "probe-a,probe-b")
    commands.start_python(PROBE_SOURCE, bundle, "a", 0, "markers")
    commands.start_python(PROBE_SOURCE, bundle, "b", 1, "skips")
    said, _ = HealthWatcher().until(lambda said: said.get("spikes", {}).get("lost", 0) >= 20)
    lost = {stream["name"]: stream["lost"] for stream in said["streams"]}
    assert lost["probe-a"] == 0
    assert lost["probe-b"] % 10 == 0
    assert lost["probe-b"] >= 20


def test_a_unit_of_two_streams_is_refused(commands, bundle):
    decoder = commands.start("decode", bundle, "--spikes", "all")
    commands.start_python(PROBE_SOURCE, bundle, "a", 0)
    commands.start_python(PROBE_SOURCE, bundle, "b", 0)
    said = finish(decoder, 2)
    assert "expected every unit in one spike stream" in said
    assert said.count("\n") < 5
