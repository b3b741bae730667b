"""Several probes: one session all the same; one that dies is named, by either policy."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode import streams
from rtdecode.engine import Engine
from rtdecode.kernels.ingest import LOST
from rtdecode.kernels.parts import slowest
from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from rtdecode.windows import WindowSpec
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


def test_a_probe_that_comes_late_is_waited_for(commands, bundle):
    """Each probe's sender is started by hand, one after the other."""
    commands.start("decode", bundle, "--spikes", "all")
    commands.start_python(PROBE_SOURCE, bundle, "a", 0, "markers")
    health = HealthWatcher()
    said, _ = health.until(lambda said: "waiting for more streams" in said["message"])
    assert "units are in probe-a" in said["message"]
    commands.start_python(PROBE_SOURCE, bundle, "b", 1)
    said, _ = health.until(decoding(3))
    assert [stream["name"] for stream in said["streams"]] == ["probe-a", "probe-b"]


def test_a_unit_of_two_streams_is_refused(commands, bundle):
    decoder = commands.start("decode", bundle, "--spikes", "all")
    commands.start_python(PROBE_SOURCE, bundle, "a", 0)
    commands.start_python(PROBE_SOURCE, bundle, "b", 0)
    said = finish(decoder, 2)
    assert "expected every unit in one spike stream" in said
    assert said.count("\n") < 5


SPEC = WindowSpec(0, 100_000, 25_000)
IDS = np.arange(6)


def fed(rows, streams_of, order, until_us):
    """An engine that took rows (id, time) from the streams that have them, in turns."""
    n = max(streams_of) + 1
    engine = Engine(IDS, SPEC, lambda counts: counts.astype(np.float32))
    engine.hear(n)
    engine.mark(1_000_000)
    waiting = [[row for row in rows if streams_of[row[0]] == stream] for stream in range(n)]
    sequence = [0] * n
    for stream in range(n):
        send(engine, stream, sequence, [(-1, 900_000)])
    for stream in (turn % n for turn in order):
        send(engine, stream, sequence, waiting[stream][:3])
        waiting[stream] = waiting[stream][3:]
    for stream in range(n):
        send(engine, stream, sequence, [*waiting[stream], (-1, until_us[stream])])
    return engine, sequence


def send(engine, stream, sequence, rows):
    samples = [(unit_id, sequence[stream] + place) for place, (unit_id, _) in enumerate(rows)]
    times_us = np.array([time_us for _, time_us in rows], np.int64)
    engine.ingest(np.array(samples, np.int32).reshape(-1, 2), times_us, 2_000_000, stream)
    sequence[stream] += len(rows)


spikes = st.lists(st.tuples(st.integers(0, 5), st.integers(950_000, 1_150_000)), unique=True)


@given(
    spikes.map(lambda rows: sorted(rows, key=lambda row: row[1])),
    st.lists(st.integers(0, 2), max_size=20),
)
def test_whatever_streams_the_units_come_by_the_window_is_the_same(rows, order):
    end_us = 1_100_000
    whole, _ = fed(rows, [0] * 6, [], [end_us])
    apart, _ = fed(rows, [0, 1, 2, 0, 1, 2], order, [end_us, end_us + 7, end_us])
    (alone,), (joined,) = whole.step(end_us), apart.step(end_us)
    np.testing.assert_array_equal(joined.counts, alone.counts)
    assert joined.complete
    assert joined.by_watermark
    assert apart.totals == whole.totals


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_window_waits_for_the_slowest_stream_unless_it_is_set_aside(slow):
    until_us = [1_200_000] * 3
    until_us[slow] = 1_099_999
    engine, sequence = fed([(0, 1_000_010)], [0, 1, 2, 0, 1, 2], [], until_us)
    assert slowest(engine.parts) == slow
    assert list(engine.step(1_100_000)) == []
    engine.set_aside(slow, True)
    (decision,) = engine.step(1_100_000)
    assert decision.by_watermark
    assert not decision.complete
    # It speaks again: the window that was open while it was silent has all, once it says so.
    engine.mark(1_090_000)
    engine.set_aside(slow, False)
    assert list(engine.step(1_190_000)) == []
    send(engine, slow, sequence, [(slow, 1_150_000), (-1, 1_195_000)])
    (decision,) = engine.step(1_195_000)
    assert decision.complete
    assert decision.in_window == 1


def test_a_row_that_one_stream_lost_makes_the_window_incomplete_and_is_that_streams():
    engine, sequence = fed([], [0, 1], [], [1_050_000, 1_200_000])
    sequence[0] += 4
    send(engine, 0, sequence, [(0, 1_060_000), (-1, 1_200_000)])
    (decision,) = engine.step(1_100_000)
    assert decision.by_watermark
    assert not decision.complete
    assert engine.parts.tallies[:, LOST].tolist() == [4, 0]
    assert engine.totals["lost"] == 4


def test_a_stream_that_was_not_heard_from_the_windows_start_on_leaves_it_incomplete():
    engine, _ = fed([], [0, 1], [], [1_200_000, 1_200_000])
    late = Engine(IDS, SPEC, lambda counts: counts.astype(np.float32))
    late.hear(2)
    late.mark(1_000_000)
    send(late, 0, [0, 0], [(-1, 900_000), (-1, 1_200_000)])
    assert list(late.step(1_100_000)) == []
    send(late, 1, [0, 0], [(-1, 1_000_001), (-1, 1_200_000)])
    (heard,), (missed,) = engine.step(1_100_000), late.step(1_100_000)
    assert (heard.complete, missed.complete) == (True, False)
