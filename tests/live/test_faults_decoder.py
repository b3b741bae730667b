"""What goes wrong about a decoder while its trigger is armed: its model, its file, its display."""

import signal
import subprocess
import sys

import pytest

from rtdecode import streams
from tests.live.conftest import Commands
from tests.live.go_bundle import P_GO, write_go_bundle
from tests.live.observers import SEEN_S, Rig, note, seconds_between, sha256_of

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle that may be harmed."""
    return write_go_bundle(tmp_path_factory.mktemp("harmed") / "go.pt")


@pytest.fixture(scope="module")
def module_rig(bundle):
    """A decoder and a source for all tests here."""
    started = Commands()
    try:
        yield Rig(started, bundle)
    finally:
        started.end()


@pytest.fixture
def rig(module_rig):
    """The rig, armed and firing before the fault and after it."""
    module_rig.fires()
    yield module_rig
    module_rig.fires()
    assert module_rig.checked() > 0


def test_a_model_that_returns_nan_is_a_fault_of_that_window_alone(rig, request):
    before = rig.heard.health(lambda said: True, streams.clock_us())
    began_us = rig.tell("set", "nan", "on")
    told = rig.heard.state("FAULTED", after_us=began_us)
    assert told["message"] == "the model gave no probabilities"
    assert told["windows_faulted"] > before["windows_faulted"]
    answer = rig.heard.refused("no probabilities", began_us)
    assert answer["p"] is None
    decision = rig.heard.until(
        streams.DECISIONS, lambda said: said["window"] == answer["window"], began_us - 10**6
    )
    assert (decision["top"], decision["p"]) == ("", None)
    fault = rig.heard.health(lambda said: said["state"] == "FAULTED", began_us)
    assert seconds_between(answer["at_us"], fault) < SEEN_S
    note(request, answer["at_us"], fault)
    over_us = rig.tell("set", "nan", "off")
    rig.heard.state("DECODING", after_us=over_us)
    rig.heard.fired(over_us)


def test_a_model_that_hangs_is_told_by_the_watchdog_and_what_it_says_late_fires_nothing(
    rig, request
):
    began_us = rig.tell("set", "hang", "on")
    rig.heard.listen(0.15)  # longer than the pause between two windows
    rig.tell("set", "hang", "off")
    told = rig.heard.health(lambda said: "come round" in said["message"], began_us)
    assert told["state"] == "FAULTED"
    note(request, round(told["since_s"] * 1e6), told)
    assert told["trigger"]["mode"] == "armed"
    late = rig.heard.refused("answer too late", began_us)
    decision = rig.heard.until(
        streams.DECISIONS, lambda said: said["window"] == late["window"], began_us - 10**6
    )
    assert decision["stages_ms"]["total"] > 200
    assert sum(said["spikes"]["lost"] for said in rig.heard.said[streams.DECISIONS]) == 0
    rig.heard.state("DECODING", after_us=told["at_us"])
    rig.heard.fired(told["at_us"])


def test_a_bundle_replaced_while_it_runs_changes_nothing_until_asked_for(rig, bundle, tmp_path):
    sha256 = sha256_of(bundle)
    other = write_go_bundle(tmp_path / "other.pt", p_go=0.99)
    other.replace(bundle)
    since_us = streams.clock_us()
    rig.heard.more(streams.DECISIONS, 4, since_us)
    told = [said for said in rig.heard.said[streams.DECISIONS] if said["at_us"] > since_us]
    assert {said["bundle"] for said in told} == {sha256}
    assert [said["p"] for said in told] == pytest.approx([P_GO] * len(told))
    health = rig.heard.health(lambda said: True, since_us)
    assert health["bundle"] == sha256
    assert rig.send("swap", bundle=str(bundle))["bundle"] == sha256_of(bundle) != sha256


@posix
def test_a_display_that_freezes_or_dies_slows_nothing(rig):
    view = [sys.executable, "-m", "rtdecode.cli", "view", "--offscreen", "--until-end"]
    picture = ["--snapshot", str(rig.bundle.with_name("view.png"))]
    display = subprocess.Popen([*view, *picture], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    rig.commands.children.append(display)
    before = rig.heard.health(lambda said: True, streams.clock_us())
    for fault in (signal.SIGSTOP, signal.SIGKILL):
        display.send_signal(fault)
        since_us = streams.clock_us()
        rig.heard.more(streams.DECISIONS, 5, since_us)
        rig.heard.fired(since_us)
    after = rig.heard.health(lambda said: True, streams.clock_us())
    assert after["state"] == "DECODING"
    assert after["spikes"]["lost"] == before["spikes"]["lost"]
