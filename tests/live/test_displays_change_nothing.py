"""Displays started, frozen and killed while a session is decoded: not one bit of it changes."""

import json
import signal
import time

import numpy as np
import psutil
import pytest

from rtdecode.session import read_session
from rtdecode.tasks import resolve_task
from tests.live.conftest import finish
from tests.live.test_watchdog import HealthWatcher, decoding

# A machine that stalls for longer than the lateness loses spikes, rightly; not the point here.
PATIENT = ("--lateness", "10000")
ONSETS, FIRST, MORE, PATIENCE_S = 120, 3, 7, 90.0
# Posterior, decisions, triggers, health; spikes and stimuli come with the replay.
STREAMS_OF_A_DECODER = 4
COMPARED = ("onset_us", "counts", "probabilities", "classes", "unit_ids", "label", "complete")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stretch(session_file):
    """About the last gratings, kept out of training, as options."""
    onsets = resolve_task(read_session(session_file), "static-gratings-orientation").onsets_us
    return [f"--start={onsets[-ONSETS] / 1e6 - 0.1:.6f}", f"--stop={onsets[-1] / 1e6 + 0.5:.6f}"]


def decoded(commands, bundle, session_file, stretch, folder, meanwhile, *options):
    """Replay and decode live; arrays, figures, and the decisions as they were published."""
    posteriors, figures = folder / "live.npz", folder / "live.json"
    files = ["--posteriors", posteriors, "--json", figures]
    decoder = commands.start("decode", bundle, "--once", *files, *PATIENT)
    options = [*stretch, *options, "--wait", "decoder"]
    meanwhile(lambda: commands.start("replay", session_file, *options))
    finish(decoder)
    with np.load(posteriors, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in COMPARED}, json.loads(figures.read_text())


def listens(display, streams):
    """Whether a display has opened so many streams."""
    try:
        opened = psutil.Process(display.pid).net_connections("tcp")
    except psutil.Error:
        return False
    return sum(one.status == psutil.CONN_ESTABLISHED for one in opened) >= streams


def wait_until(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def test_ten_displays_of_which_some_are_killed_and_frozen_change_nothing(
    commands, bundle, session_file, stretch, tmp_path
):
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("this system has no SIGSTOP")
    folders = [tmp_path / "without", tmp_path / "with"]
    for folder in folders:
        folder.mkdir()
    run = (commands, bundle, session_file, stretch)
    alone = (folders[0], lambda replay: finish(replay()), "--speed", "4")
    without, figures_without = decoded(*run, *alone)

    def new_display(number):
        picture = folders[1] / f"display-{number}.png"
        return commands.start("view", "--offscreen", "--snapshot", picture)

    displays = [new_display(number) for number in range(FIRST)]

    def mistreat(start_replay):
        # The decoder is there and waits: what it has to tell can be listened to already.
        for display in displays:
            wait_until(lambda display=display: listens(display, STREAMS_OF_A_DECODER))
        health = HealthWatcher()
        replay = start_replay()
        health.until(decoding(10))
        displays[0].send_signal(signal.SIGSTOP)
        displays[1].send_signal(signal.SIGKILL)
        displays.extend(new_display(FIRST + number) for number in range(MORE))
        during, _ = health.until(decoding(20))
        assert during["windows"] < ONSETS, "the displays were mistreated too late to matter"
        finish(replay)

    with_them, figures_with = decoded(*run, folders[1], mistreat)
    assert len(without["onset_us"]) == ONSETS
    assert without["counts"].sum() > 1000
    assert without["complete"].all()
    for name in COMPARED:
        assert with_them[name].dtype == without[name].dtype, name
        np.testing.assert_array_equal(with_them[name], without[name], err_msg=name)
    for name in ("windows", "labelled", "accuracy", "spikes", "windows_incomplete", "markers"):
        assert figures_with[name] == figures_without[name], name
    # The one that was left alone has seen the run to its end, and drawn it.
    finish(displays[2])
    assert (folders[1] / "display-2.png").stat().st_size > 10_000
