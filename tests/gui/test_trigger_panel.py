"""The trigger panel: what it says, and that arming is asked about and disarming never."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rtdecode import control
from rtdecode.gui.packets import Batch
from rtdecode.gui.panels.trigger import LINES, PATIENCE_S, reason_lines
from rtdecode.gui.remote import Remote, obstacle_to
from rtdecode.gui.reports import Policy, Trigger
from rtdecode.gui.theme import DARK
from rtdecode.gui.triggers import WITHHELD
from tests.gui import known
from tests.gui.conftest import Shown
from tests.gui.test_panels import colours

ARMED = Policy("armed", "as asked", ("90",), 12, 3, 40, {"fired": 12, WITHHELD: 3}, 500)


@pytest.fixture
def armed(shown: Shown) -> Shown:
    """A window that shows an armed decoder whose orders are taken."""
    shown.window.trigger.set_obstacle("")
    shown.give(known.healthy(policy=ARMED), known.spikes([], [], known.START_US))
    return shown


@pytest.fixture
def orders(armed: Shown) -> list[str]:
    """What the panel orders."""
    given: list[str] = []
    armed.window.trigger.ordered.connect(given.append)
    return given


def test_a_decoder_without_a_trigger_shows_none(shown: Shown) -> None:
    shown.give(known.healthy(policy=Policy("disarmed")), known.answers(False))
    assert not shown.window.docks.docks["trigger"].isVisible()
    assert shown.window.panels["health"].values["triggers"].text() == "none set up"
    shown.give(known.healthy(policy=ARMED))
    assert shown.window.docks.docks["trigger"].isVisible()
    assert "12 fired, 3 withheld, 40" in shown.window.panels["health"].values["triggers"].text()


def test_mode_dose_and_the_last_trigger_are_shown(armed: Shown) -> None:
    panel = armed.window.trigger
    armed.give(Batch(triggers=[Trigger(True, "fired", 5, 0.97)]))
    armed.give(known.healthy(policy=ARMED), known.spikes([], [], known.START_US), after_s=2.2)
    assert panel.mode.text() == "● ARMED"
    assert panel.why.text() == "as asked"
    assert panel.dose.text() == "15 of 500 given"
    assert panel.last.text() == "last fired 2 s ago, p = 0.97"
    assert panel.note.text() == "fires at 90"
    assert DARK.truth in colours(panel.mode)
    rows = [(name.text(), count.text()) for name, count in panel.reasons]
    assert rows[:2] == [("fired", "12"), (WITHHELD, "3")]
    armed.give(known.healthy(policy=replace(ARMED, mode="disarmed", why="the data went stale")))
    assert panel.mode.text() == "■ DISARMED"
    assert panel.why.text() == "the data went stale"
    assert DARK.truth not in colours(panel.mode)


@pytest.mark.parametrize(("mode", "text"), [("sham", "◐ ARMED, SHAM"), ("dry-run", "○ DRY RUN")])
def test_each_mode_has_words_and_a_sign(armed: Shown, mode: str, text: str) -> None:
    armed.give(known.healthy(policy=replace(ARMED, mode=mode)))
    assert armed.window.trigger.mode.text() == text


def test_of_a_silent_decoder_the_mode_is_in_question(armed: Shown) -> None:
    armed.give(after_s=3.0)
    panel = armed.window.trigger
    assert panel.mode.text() == "● ARMED ?"
    assert panel.why.text() == "when last heard of"
    assert DARK.truth not in colours(panel.mode)


def test_the_commonest_reasons_have_a_line_and_the_rest_share_one() -> None:
    reasons = {f"reason {n}": n for n in range(1, 9)} | {"fired": 2, WITHHELD: 0}
    lines = reason_lines(reasons)
    assert lines[:4] == [("fired", "2"), ("reason 8", "8"), ("reason 7", "7"), ("reason 6", "6")]
    assert lines[-1] == ("other reasons", str(sum(range(1, 6))))
    assert reason_lines({"refractory": 9, "dry run": 2})[0] == ("would have fired", "2")
    assert len(lines) == len(reason_lines({})) == LINES + 1


@pytest.mark.parametrize("by_key", [True, False])
def test_arming_is_asked_about(armed: Shown, orders: list[str], qtbot: QtBot, by_key: bool) -> None:
    window, panel = armed.window, armed.window.trigger
    for answer in (Qt.Key.Key_Escape, Qt.Key.Key_Return):
        if by_key:
            qtbot.keyClick(window, Qt.Key.Key_A)
        else:
            qtbot.mouseClick(panel.buttons["arm"], Qt.MouseButton.LeftButton)
        armed.give()
        assert "It fires at 90." in panel.question.text()
        assert panel.yes.isVisible()
        assert orders == []
        qtbot.keyClick(window, Qt.Key.Key_A)  # asking twice is no answer
        assert orders == []
        if by_key:
            qtbot.keyClick(window, answer)
        else:
            button = panel.no if answer == Qt.Key.Key_Escape else panel.yes
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        armed.give()
        assert not panel.yes.isVisible()
    assert orders == ["arm"]
    qtbot.keyClick(window, Qt.Key.Key_Return)
    assert orders == ["arm"]


def test_sham_is_asked_about_too(armed: Shown, orders: list[str], qtbot: QtBot) -> None:
    panel = armed.window.trigger
    qtbot.mouseClick(panel.buttons["sham"], Qt.MouseButton.LeftButton)
    armed.give()
    assert orders == []
    assert "withholding" in panel.question.text()
    qtbot.mouseClick(panel.yes, Qt.MouseButton.LeftButton)
    assert orders == ["sham"]


def test_disarming_and_dry_runs_never_ask(armed: Shown, orders: list[str], qtbot: QtBot) -> None:
    qtbot.keyClick(armed.window, Qt.Key.Key_X)
    qtbot.keyClick(armed.window, Qt.Key.Key_Y)
    qtbot.mouseClick(armed.window.trigger.buttons["disarm"], Qt.MouseButton.LeftButton)
    assert orders == ["disarm", "dry-run", "disarm"]
    # Also in the midst of a question, which is withdrawn by it.
    qtbot.keyClick(armed.window, Qt.Key.Key_A)
    qtbot.keyClick(armed.window, Qt.Key.Key_X)
    qtbot.keyClick(armed.window, Qt.Key.Key_Return)
    assert orders[3:] == ["disarm"]


def test_a_question_that_nobody_answers_is_withdrawn(armed: Shown, orders: list[str]) -> None:
    panel = armed.window.trigger
    panel.ask("arm")
    armed.give(known.healthy(policy=ARMED), after_s=PATIENCE_S - 1)
    assert panel.yes.isVisible()
    armed.give(known.healthy(policy=ARMED), after_s=2)
    assert not panel.yes.isVisible()
    panel.confirm()
    assert orders == []


def test_where_orders_are_not_taken_it_says_so(
    armed: Shown, orders: list[str], qtbot: QtBot
) -> None:
    panel = armed.window.trigger
    panel.ask("arm")
    panel.set_obstacle("armed on the-rig alone")
    armed.give()
    assert panel.question.text() == "armed on the-rig alone"
    assert not panel.buttons["arm"].isEnabled()
    qtbot.keyClick(armed.window, Qt.Key.Key_A)
    qtbot.keyClick(armed.window, Qt.Key.Key_Return)
    assert orders == []


def test_the_answer_to_an_order_is_said(armed: Shown, qtbot: QtBot) -> None:
    panel = armed.window.trigger
    qtbot.keyClick(armed.window, Qt.Key.Key_X)
    armed.give()
    assert "asking the decoder" in panel.question.text()
    panel.tell("expected trigger.classes")
    armed.give()
    assert panel.question.text() == "expected trigger.classes"


def test_only_on_the_same_host_by_the_same_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(known.DECODER, control="a-rig", host=socket.gethostname())
    assert "no decoder" in obstacle_to(None)
    assert "takes no orders" in obstacle_to(replace(here, control=""))
    assert "armed on elsewhere alone" in obstacle_to(replace(here, host="elsewhere"))
    monkeypatch.setenv(control.FOLDER_VARIABLE, str(tmp_path / "nobody"))
    assert "the user alone" in obstacle_to(here)
    control.write_door("a-rig", 1, b"secret")
    assert obstacle_to(here) == ""


def test_an_order_that_cannot_be_given_is_answered(qtbot: QtBot) -> None:
    remote = Remote()
    remote.turn_to(replace(known.DECODER, control="a-rig", host="elsewhere"))
    remote.order("arm")
    come = []
    qtbot.waitUntil(lambda: bool(come.extend(remote.answers()) or come), timeout=20_000)
    assert [(answer.command, answer.done) for answer in come] == [("arm", False)]
    assert "elsewhere" in come[0].text
