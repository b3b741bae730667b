"""A replay as a listener sees it: nothing early, nothing twice, nothing left out."""

import json
import signal
import time

import numpy as np
import pytest

from rtdecode import streams
from rtdecode.session import read_session
from tests.live.conftest import finish

PATIENCE_S = 60.0


class Listener:
    """Receives both streams of a replay, with the LSL clock at each receipt."""

    def __init__(self):
        self.spikes = streams.SpikeInlet(
            streams.find(streams.SPIKES, streams.SPIKE_FORMAT, PATIENCE_S)
        )
        self.stimuli = streams.TextInlet(
            streams.find(streams.STIMULI, streams.TEXT_FORMAT, PATIENCE_S)
        )
        self.rows, self.stamps, self.markers = [], [], []
        self.spikes.open()
        self.stimuli.open()

    def pull(self):
        """Take what has come."""
        for text, stamp_us in self.stimuli.pull(0.0):
            self.markers.append((json.loads(text), stamp_us, streams.clock_us()))
        samples, stamps = self.spikes.pull(0.01)
        self.rows += samples.tolist()
        self.stamps += [streams.microseconds(stamp) for stamp in stamps]

    def ended(self):
        """Whether the replay has said that it is over."""
        return bool(self.markers) and self.markers[-1][0] == {"rtdecode": "end"}

    def until(self, wanted):
        """Pull until something is so."""
        until = time.monotonic() + PATIENCE_S
        while not wanted() and time.monotonic() < until:
            self.pull()
        assert wanted()

    def to_the_end(self):
        """Pull until the end, and the watermark that closes it."""
        self.until(self.ended)
        end_us = self.markers[-1][1]
        self.until(lambda: bool(self.stamps) and self.stamps[-1] >= end_us)


@pytest.mark.parametrize("speed", ["1", "3"])
def test_every_spike_once_in_order_and_no_marker_before_its_time(commands, session_file, speed):
    session = read_session(session_file)
    table = session.presentations["static_gratings"]
    start_us = int(table.start_us[10]) - 200_000
    stop_us = start_us + 2_000_000
    replay = commands.start(
        "replay", session_file, f"--start={start_us / 1e6:.6f}", f"--stop={stop_us / 1e6:.6f}",
        "--tables", "static_gratings", "--speed", speed,
    )  # fmt: skip
    listener = Listener()
    listener.to_the_end()
    finish(replay)

    *markers, (_, end_us, _) = listener.markers
    onsets = table.start_us[(table.start_us >= start_us) & (table.start_us < stop_us)]
    assert [fields["session_us"] for fields, _, _ in markers] == onsets.tolist()
    assert len(onsets) > 4
    shift_us = end_us - stop_us
    assert [stamp - shift_us for _, stamp, _ in markers] == onsets.tolist()
    if speed == "1":
        assert all(received >= stamp for _, stamp, received in markers)

    rows, stamps = np.array(listener.rows), np.array(listener.stamps)
    np.testing.assert_array_equal(rows[:, 1], np.arange(len(rows)))
    is_spike = rows[:, 0] >= 0
    times_us, units = session.in_time_order()
    low, high = np.searchsorted(times_us, [start_us, stop_us])
    assert high - low > 1000
    np.testing.assert_array_equal(stamps[is_spike] - shift_us, times_us[low:high])
    np.testing.assert_array_equal(rows[is_spike, 0], session.units.ids[units[low:high]])
    # Each watermark keeps its word: no spike after it is before it.
    assert_watermarks_keep_their_word(stamps, is_spike)
    assert stamps[-1] - shift_us == stop_us


def assert_watermarks_keep_their_word(stamps, is_spike):
    said = np.maximum.accumulate(np.where(is_spike, stamps[0], stamps))
    assert (stamps[is_spike] >= said[is_spike]).all()
    assert (~is_spike).sum() > 20


def test_ctrl_c_ends_it_cleanly_and_tells_the_decoder(commands, session_file):
    replay = commands.start("replay", session_file)
    listener = Listener()
    listener.until(lambda: len(listener.stamps) > 2000)
    replay.send_signal(signal.SIGINT)
    listener.to_the_end()
    said = finish(replay)
    assert "stopped before the end" in said
    spikes = sum(unit_id >= 0 for unit_id, _ in listener.rows)
    assert f"sent {spikes:,} spikes and {len(listener.markers) - 1:,} stimuli" in said


def test_ctrl_c_while_it_waits_is_no_crash(commands, session_file):
    replay = commands.start("replay", session_file)
    assert streams.find(streams.STIMULI, streams.TEXT_FORMAT, PATIENCE_S) is not None
    replay.send_signal(signal.SIGINT)
    finish(replay, code=130)


def test_it_waits_for_a_decoder_that_is_ready(commands, session_file):
    health = streams.TextOutlet(streams.HEALTH)
    replay = commands.start("replay", session_file, "--stop", "3", "--wait", "decoder")
    listener = Listener()
    while not health.has_consumers():
        listener.pull()
    health.push_json({"state": "WAITING"}, streams.clock_us())
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        listener.pull()
    assert listener.stamps == []
    health.push_json({"state": "READY"}, streams.clock_us())
    listener.until(lambda: bool(listener.stamps))
    replay.send_signal(signal.SIGINT)
    finish(replay)


def test_a_decoder_that_comes_after_another_has_ended_is_waited_for_too(commands, session_file):
    first = streams.TextOutlet(streams.HEALTH, "first")
    replay = commands.start("replay", session_file, "--stop", "3", "--wait", "decoder")
    listener = Listener()
    while not first.has_consumers():
        listener.pull()
    first.push_json({"state": "STOPPED"}, streams.clock_us())
    # It stays until the replay is over: liblsl may crash where an outlet goes in the same breath
    # as a message to somebody who listens.
    second, until = streams.TextOutlet(streams.HEALTH, "second"), time.monotonic() + PATIENCE_S
    while not listener.stamps and time.monotonic() < until:
        second.push_json({"state": "READY"}, streams.clock_us())
        listener.pull()
    assert listener.stamps
    replay.send_signal(signal.SIGINT)
    finish(replay)


@pytest.mark.parametrize("wait", ["listeners", "decoder"])
def test_stopped_while_it_waits_it_says_so(commands, session_file, wait):
    replay = commands.start("replay", session_file, "--wait", wait)
    while "waiting for" not in replay.stderr.readline():
        assert replay.poll() is None
    time.sleep(1.0)
    replay.send_signal(signal.SIGINT)
    assert finish(replay, 130).strip() == "stopped before it began"
