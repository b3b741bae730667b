"""The display on real streams from another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QImage
from pytestqt.qtbot import QtBot

from rtdecode.gui.app import FRAME_MS, Display
from rtdecode.gui.feed import Feed
from rtdecode.gui.finding import decoders, fits, newest, only
from rtdecode.gui.state import DisplayState
from rtdecode.gui.theme import DARK
from rtdecode.streams import Found
from tests.gui.conftest import NewWindow
from tests.gui.known import CLASSES

pytestmark = pytest.mark.timeout(120)
StartRig = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_rig(repo: Path, lsl_config: Path) -> Iterator[StartRig]:
    """Start a source and decoder in a process of their own."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.gui.rig", *options]
        rig = subprocess.Popen(command, cwd=repo, stdout=subprocess.PIPE, text=True)
        started.append(rig)
        return rig

    yield start
    for rig in started:
        rig.kill()
        rig.wait()
        assert rig.stdout is not None
        rig.stdout.close()


@pytest.fixture
def display(new_window: NewWindow, lsl_config: Path) -> Iterator[Display]:
    """A display that draws thirty frames a second while the test waits."""
    made = Display(Feed(), new_window())
    timer = QTimer()
    timer.timeout.connect(made.frame)
    made.feed.start()
    timer.start(FRAME_MS)
    yield made
    timer.stop()
    made.feed.stop()


def wait_until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Long enough for a busy machine; what is waited for takes a second or two."""
    qtbot.waitUntil(condition, timeout=60_000)


def state_of(display: Display) -> DisplayState:
    assert display.state is not None
    return display.state


def test_ten_times_real_time_and_nothing_is_missed(
    display: Display, start_rig: StartRig, qtbot: QtBot
) -> None:
    rig = start_rig("--seconds", "30", "--speed", "10", "--units", "1000", "--rate", "10000")
    wait_until(qtbot, lambda: display.state is not None and display.state.ended)
    assert rig.stdout is not None
    sent = json.loads(rig.stdout.readline())
    state = state_of(display)
    wait_until(qtbot, lambda: state.newest_us == sent["last_us"])
    assert len(state.spikes) == sent["spikes"]
    assert state.n_decisions == sent["decisions"] == state.triggers.fired
    assert state.performance.overall == 1.0
    assert state.order.n_units == 1_000
    # The last frame shows the newest: nothing waits in a queue of frames.
    assert display.window.view.end_us == state.live_us
    newest = CLASSES[(sent["decisions"] - 1) % len(CLASSES)]
    assert display.window.panels["posterior"].decision.text() == newest


def test_a_killed_rig_turns_the_frame_red_and_its_successor_is_shown(
    display: Display, start_rig: StartRig, qtbot: QtBot
) -> None:
    window = display.window
    assert window.waiting.isVisible()
    rig = start_rig()
    wait_until(qtbot, lambda: display.state is not None and display.state.n_decisions > 2)
    wait_until(qtbot, lambda: not window.waiting.isVisible())
    assert not window.frame.property("bad")
    before = state_of(display).n_decisions
    rig.kill()
    wait_until(qtbot, lambda: bool(window.frame.property("bad")))
    assert "no spikes" in window.banner.text() or "no word" in window.banner.text()
    assert DARK.alarm in window.frame.styleSheet()
    start_rig()
    wait_until(qtbot, lambda: state_of(display).n_decisions > before + 2)
    wait_until(qtbot, lambda: not window.frame.property("bad"))
    # The same decoder by all that it says: its tallies go on.
    assert state_of(display).performance.n == state_of(display).n_decisions


def test_a_paused_rig_is_stale_and_recovers(
    display: Display, start_rig: StartRig, qtbot: QtBot
) -> None:
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("this system has no SIGSTOP")
    rig = start_rig()
    wait_until(qtbot, lambda: display.state is not None and display.state.n_decisions > 0)
    rig.send_signal(signal.SIGSTOP)
    wait_until(qtbot, lambda: bool(display.window.frame.property("bad")))
    rig.send_signal(signal.SIGCONT)
    wait_until(qtbot, lambda: not display.window.frame.property("bad"))


def test_view_draws_without_a_screen_and_ends_with_the_run(
    repo: Path, tmp_path: Path, start_rig: StartRig
) -> None:
    start_rig("--seconds", "3")
    picture = tmp_path / "display.png"
    finished = run_view(repo, tmp_path, "--snapshot", str(picture), "--size", "1000x700")
    assert finished.returncode == 0, finished.stderr
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1000, 700)
    colours = {image.pixel(x, y) for x in range(0, 1000, 3) for y in range(0, 700, 3)}
    assert len(colours) > 50


def test_view_saves_its_picture_when_stopped(repo: Path, tmp_path: Path) -> None:
    picture = tmp_path / "display.png"
    view = subprocess.Popen(
        view_command("--offscreen", "--snapshot", str(picture)), cwd=repo, env=view_env(tmp_path)
    )
    until = time.monotonic() + 60
    # It has asked the network: from there on it can be stopped.
    while not psutil.Process(view.pid).net_connections("udp"):
        assert time.monotonic() < until
        time.sleep(0.1)
    view.terminate()
    assert view.wait(30) == 0
    assert not QImage(str(picture)).isNull()


def test_view_without_screen_or_picture_is_refused(repo: Path, tmp_path: Path) -> None:
    finished = run_view(repo, tmp_path)
    assert finished.returncode == 2
    assert "--snapshot" in finished.stderr
    assert "Traceback" not in finished.stderr


def view_command(*options: str) -> list[str]:
    return [sys.executable, "-m", "rtdecode.cli", "view", *options]


def view_env(tmp_path: Path) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return env | {"XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)}


def run_view(repo: Path, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        view_command(*options),
        cwd=repo,
        env=view_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def found(name: str, kind: str, host: str = "a", made: float = 0.0, form: int = 3) -> Found:
    return Found(name, kind, 1, form, host, f"{name}{made}", made, None)  # type: ignore[arg-type]


def test_each_decoder_gets_its_own_streams() -> None:
    import pylsl

    number, text = pylsl.cf_float32, pylsl.cf_string
    network = [
        found("rtdecode-posterior", "Posterior", "a", 10.0, number),
        found("rtdecode-posterior", "Posterior", "b", 20.0, number),
        found("second-posterior", "Posterior", "a", 30.0, number),
        found("rtdecode-decisions", "Markers", "a", 10.1, text),
        found("rtdecode-decisions", "Markers", "a", 99.0, text),
        found("rtdecode-decisions", "Markers", "b", 20.1, text),
        found("second-decisions", "Markers", "a", 30.1, text),
        found("second-health", "Markers", "a", 30.1, number),
    ]
    seen = decoders(network)
    names = [source.name for source in seen]
    assert names == ["rtdecode-posterior on a", "rtdecode-posterior on b", "second-posterior on a"]
    made = [source.streams["decisions"].created_at for source in seen]
    assert made == [10.1, 20.1, 30.1]
    # A stream of the right name and the wrong format is left alone.
    assert "health" not in seen[2].streams
    assert not fits(network[7], "health")


def test_a_source_is_found_by_name_or_as_the_only_one() -> None:
    import pylsl

    spikes = found("probe-a", "SpikeEvents", form=pylsl.cf_int32)
    spikes = replace(spikes, channels=2)
    marker = found("psychopy", "Markers", form=pylsl.cf_string)
    decision = found("rtdecode-decisions", "Markers", form=pylsl.cf_string)
    assert newest([spikes, marker, decision], "rtdecode-spikes", "spikes") is None
    assert only([spikes, marker, decision], "spikes") is spikes
    assert only([spikes, marker, decision], "stimuli") is marker
    assert only([marker, replace(marker, name="bonsai")], "stimuli") is None
    named = replace(spikes, name="rtdecode-spikes")
    later = replace(named, created_at=5.0)
    assert newest([named, later, spikes], "rtdecode-spikes", "spikes") is later
