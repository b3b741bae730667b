"""Answers carried out: what fires, what a failing output does, who disarms at once."""

import gc
import os
import sys
import threading
import time

import numpy as np
import pytest

from rtdecode import cli
from rtdecode.control_server import Request
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS
from rtdecode.rig import OutputsSection, SerialSection
from rtdecode.trigger import Evidence, Mode, TriggerSettings
from rtdecode.triggers.entry_points import MOST_WAITING, load_callables
from rtdecode.triggers.errors import OutputError
from rtdecode.triggers.firing import Firing
from rtdecode.triggers.serial_byte import SerialByte
from tests.live.go_bundle import write_go_bundle
from tests.trigger_functions import install

SETTINGS = TriggerSettings(classes=("go",), refractory_ms=0, per_minute=6000)
PATIENCE_S = 30.0


class Clock:
    """Stands still but for what it is told; a millisecond more at every look."""

    def __init__(self):
        self.now_us = 10**9

    def __call__(self):
        self.now_us += US_PER_MS
        return self.now_us


@pytest.fixture(scope="module")
def infos(tmp_path_factory):
    """What two bundles say of themselves: one calibrated, one not."""
    from rtdecode.bundle import load_bundle

    folder = tmp_path_factory.mktemp("bundles")
    paths = [write_go_bundle(folder / f"{e}.pt", calibration_error=e) for e in (0.01, 0.3)]
    return [load_bundle(path)[1] for path in paths]


@pytest.fixture
def modes():
    """Every change of mode, with why."""
    return []


@pytest.fixture
def firing(infos, modes):
    """A trigger that can fire, armed by nobody."""
    return Firing(SETTINGS, infos[0], Clock(), lambda mode, why: modes.append((mode.value, why)))


def window(p=0.95):
    """A sound window, sure to be p."""
    return Evidence(0, np.array([p, 1 - p], np.float32), True, 100, 0, 1000, 1000, True)


def answers(firing, n, p=0.95):
    return [firing.answer(window(p), 10**9)["fired"] for _ in range(n)]


def test_it_fires_only_when_armed_and_counts_all(firing, modes):
    assert answers(firing, 2) == [False, False]
    assert firing.command("arm")["mode"] == "armed"
    assert answers(firing, 3) == [True] * 3
    assert answers(firing, 1, p=0.5) == [False]
    assert firing.command("disarm")["mode"] == "disarmed"
    assert answers(firing, 1) == [False]
    told = firing.told()
    assert (told["fired"], told["withheld"], told["refused"]) == (3, 0, 4)
    assert told["reasons"] == {"disarmed": 3, "fired": 3, "below threshold": 1}
    assert modes == [("armed", "as asked"), ("disarmed", "as asked")]


def test_what_is_said_of_a_trigger(firing):
    firing.command("arm")
    said = firing.answer(window(), firing._clock_us.now_us)
    assert said == {
        "fired": True,
        "reason": "fired",
        "mode": "armed",
        "window": 0,
        "p": pytest.approx(0.95),
        "in_a_row": 1,
        "count": 1,
        "trigger_ms": 2.0,
        "failed": [],
    }
    assert "trigger_ms" not in firing.answer(window(0.2), 0)


def test_a_disarm_of_another_thread_holds_at_once_and_until_it_is_taken(firing):
    firing.command("arm")
    request = Request("disarm", {})
    firing.ask_off(request)
    assert firing.mode is Mode.DISARMED
    assert request.wait(0) == {"mode": "disarmed"}
    assert answers(firing, 2) == [False, False]
    firing.command("disarm")
    firing.command("arm")
    assert answers(firing, 1) == [True]


class Slow:
    """An output that takes its time."""

    name = "slow"

    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()

    def fire(self, event):
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)

    def trouble(self):
        return ""

    def close(self):
        pass


def test_a_disarm_is_answered_when_nothing_fires_any_more(firing):
    firing.command("arm")
    slow, request = Slow(), Request("disarm", {})
    firing._outputs = [slow]
    loop = threading.Thread(target=answers, args=(firing, 1))
    asking = threading.Thread(target=firing.ask_off, args=(request,))
    loop.start()
    assert slow.begun.wait(PATIENCE_S)
    asking.start()
    while firing.mode is not Mode.DISARMED:
        time.sleep(0.001)
    assert "error" in request.wait(0.05), "it fires still"
    slow.may_end.set()
    assert request.wait(PATIENCE_S) == {"mode": "disarmed"}
    loop.join()
    asking.join()
    assert answers(firing, 1) == [False]


def test_a_disarm_asked_for_while_an_arming_waits_is_not_undone_by_it(firing):
    """The loop takes both in the order they came: the disarm is the last."""
    firing.ask_off(Request("disarm", {}))
    firing.command("arm")
    assert answers(firing, 1) == [False]
    firing.command("disarm")
    assert firing.mode is Mode.DISARMED


def test_another_bundle_disarms_and_an_uncalibrated_one_cannot_be_armed(firing, infos):
    firing.command("arm")
    firing.follow(infos[0])
    assert (firing.mode, firing.told()["why"]) == (Mode.DISARMED, "another bundle decodes")
    firing.command("arm")
    assert answers(firing, 1) == [True]
    firing.follow(infos[1])
    with pytest.raises(UserError, match=r"calibration error of at most 0\.1 .*uncalibrated"):
        firing.command("arm")
    assert answers(firing, 1) == [False]


def test_without_a_class_nothing_can_be_armed(infos):
    with pytest.raises(UserError, match=r"trigger\.classes to name what fires, found none"):
        Firing(TriggerSettings(), infos[0], Clock()).command("arm")


class Broken:
    """An output that never works."""

    name = "broken"

    def fire(self, event):
        raise OutputError("broken: no cable")

    def trouble(self):
        return ""

    def close(self):
        """Nothing to let go of."""


class Working(Broken):
    """An output that counts."""

    n = 0

    def fire(self, event):
        self.n += 1


def test_an_output_that_fails_disarms_and_the_others_still_fire(firing, modes):
    working = Working()
    firing._outputs = [Broken(), working]
    firing.command("arm")
    said = firing.answer(window(), 0)
    assert (said["fired"], said["failed"]) == (True, ["broken: no cable"])
    assert (working.n, answers(firing, 3)) == (1, [False] * 3)
    assert modes[-1] == ("disarmed", "broken: no cable")


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """Functions of a package that is installed for this test alone."""
    monkeypatch.syspath_prepend(install(tmp_path))
    monkeypatch.delitem(sys.modules, "blinkers", raising=False)
    yield
    sys.modules.pop("blinkers", None)


def until(wanted):
    """Wait for something that another thread does."""
    end = time.monotonic() + PATIENCE_S
    while not (found := wanted()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


@pytest.mark.usefixtures("functions")
def test_a_function_that_raises_disarms_and_is_named(firing, modes):
    firing.open(OutputsSection(callables=("fail",)))
    firing.command("arm")
    assert answers(firing, 1) == [True]
    until(firing.look_after)
    assert firing.mode is Mode.DISARMED
    assert modes[-1] == ("disarmed", "fail raised RuntimeError: no cable")
    firing.command("arm")
    assert answers(firing, 1) == [True], "it is called again once somebody has armed again"
    until(firing.look_after)
    firing.close()


@pytest.mark.usefixtures("functions")
def test_a_function_that_does_not_come_back_stops_nothing_and_disarms(firing, modes):
    firing.open(OutputsSection(callables=("wait",)))
    import blinkers

    firing.command("arm")
    assert answers(firing, 1) == [True]
    until(lambda: blinkers.told)  # its thread has taken the first
    assert answers(firing, MOST_WAITING) == [True] * MOST_WAITING
    assert answers(firing, 2) == [True, False]
    assert modes[-1][0] == "disarmed"
    assert "has not come back" in modes[-1][1]
    blinkers.gate.set()
    firing.close()
    assert len(blinkers.told) == 1 + MOST_WAITING


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("number", "found int"),
        ("absent", "AttributeError when importing"),
        ("broken", "ModuleNotFoundError when importing"),
        ("nothing", r"\(absent, broken, fail, log, number, wait\), found 'nothing'"),
    ],
)
def test_a_function_that_is_none_is_refused(name, told):
    with pytest.raises(UserError, match=told):
        load_callables([name])


pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture
def board():
    """A pseudo-terminal: the board's end and the port's name."""
    ends = os.openpty()
    yield ends[0], os.ttyname(ends[1])
    for end in ends:
        os.close(end)


@pty
def test_the_byte_arrives_at_once(board):
    end, name = board
    output = SerialByte(SerialSection(port=name, byte=200))
    output.fire({})
    assert os.read(end, 10) == b"\xc8"
    output.close()


@pty
def test_a_port_that_takes_nothing_is_given_up_in_time(board):
    """The board reads nothing until the system's buffer is full."""
    _, name = board
    output = SerialByte(SerialSection(port=name, timeout_ms=5))

    def fire_for_ever():
        for _ in range(1 << 17):
            output.fire({})

    with pytest.raises(OutputError, match="timeout"):
        fire_for_ever()
    output.close()


@pty
def test_a_port_is_for_one_program(board):
    first = SerialByte(SerialSection(port=board[1]))
    with pytest.raises(UserError, match="no other program has it"):
        SerialByte(SerialSection(port=board[1]))
    first.close()


BAD = {
    "trigger.classes=stay": "expects classes of the bundle (go, stop), found 'stay'",
    "outputs.serial.port=/nowhere/tty": "outputs.serial.port '/nowhere/tty'",
    "outputs.callables=blink": "expects entry points of rtdecode.triggers",
    "trigger.threshold=2": "trigger.threshold",
}


@pytest.mark.parametrize("setting", BAD)
def test_what_cannot_fire_ends_the_decoder_before_it_waits(setting, tmp_path, monkeypatch, capsys):
    bundle = write_go_bundle(tmp_path / "go.pt")
    monkeypatch.setattr(sys, "argv", ["rtdecode", "decode", str(bundle), "-o", setting])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert BAD[setting] in said
    assert len(said.strip().splitlines()) == 1
    gc.collect()  # its streams are gone with it
    assert not [thread for thread in threading.enumerate() if thread.name == "control"]
