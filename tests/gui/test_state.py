"""Messages into values, and values into what the display knows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtdecode.gui.app import FRAME_MS
from rtdecode.gui.messages import MalformedError
from rtdecode.gui.packets import Batch, Decision, onset_from_marker
from rtdecode.gui.reports import Health, Policy, Trigger
from rtdecode.gui.state import FIGURES_HZ, DisplayState, Trouble
from rtdecode.gui.triggers import WITHHELD
from tests.gui import known
from tests.gui.known import START_US, S

DECISION = {
    "window": 17,
    "onset_us": 1_000,
    "session_us": None,
    "start_us": 1_000,
    "end_us": 2_000,
    "label": "90",
    "top": "0",
    "p": 0.93,
    "closed_by": "watermark",
    "complete": True,
    "spikes": {"on_time": 3, "late": 1},
    "in_window": 3,
    "stages_ms": {"wire_in": 0.3, "wait": None},
}


@pytest.fixture
def state() -> DisplayState:
    made = DisplayState(known.DECODER)
    made.apply(Batch(units=known.units()), 0.0)
    return made


def test_a_decision_message_is_read() -> None:
    said = Decision.from_json(json.dumps(DECISION))
    assert (said.window, said.top, said.label, said.p) == (17, "0", "90", 0.93)
    assert said.correct is False
    assert said.spikes["late"] == 1
    assert said.spikes["lost"] == 0
    assert math.isnan(said.stages_ms["wait"])


def test_without_a_true_label_nothing_is_right_or_wrong() -> None:
    assert Decision.from_json(json.dumps({**DECISION, "label": ""})).correct is None


WRONG = (
    {"end_us": "x"},
    {"end_us": 2**70},
    {"window": math.inf},
    {"spikes": 5},
    {"p": 10**400},
    {"stages_ms": [1]},
)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "17", "null", "{}", '{"window": 1}', "[" * 100_000),
        *(json.dumps({**DECISION, **wrong}) for wrong in WRONG),
    ],
)
def test_what_is_no_decision_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Decision.from_json(text)


NO_HEALTH = (
    *("", "[]", "{}", '{"state": "READY", "spikes": [1]}'),
    *('{"state": "READY", "trigger": 5}', '{"state": "READY", "trigger": {}}'),
    '{"state": "READY", "trigger": {"mode": "armed", "reasons": {"dose": "x"}}}',
)


@pytest.mark.parametrize("text", NO_HEALTH)
def test_what_is_no_health_report_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Health.from_json(text)


def test_health_and_trigger_messages_are_read() -> None:
    health = Health.from_json('{"state": "READY", "data_age_ms": null, "spikes_per_s": 5}')
    assert health.state == "READY"
    assert health.spikes_per_s == 5.0
    assert math.isnan(health.data_age_ms)
    said = '{"fired": false, "reason": "dose", "window": 3, "p": 0.5}'
    assert Trigger.from_json(said) == Trigger(False, "dose", 3, 0.5)
    # Not said: no number, which equals nothing.
    assert math.isnan(Trigger.from_json('{"fired": false, "reason": "dose"}').p)
    for wrong in ('{"fired": "yes"}', '{"fired": true, "window": []}', "[]"):
        with pytest.raises(MalformedError):
            Trigger.from_json(wrong)


def test_markers_are_json_or_plain_labels() -> None:
    assert onset_from_marker(5, '{"stimulus_name": "flashes"}').stimulus["stimulus_name"]
    assert onset_from_marker(5, "left").stimulus == {"label": "left"}
    assert onset_from_marker(5, "90").stimulus == {"label": "90"}


def test_the_view_follows_the_watermark_forth_and_back(state: DisplayState) -> None:
    state.apply(known.spikes([START_US], [100], START_US + S), 1.0)
    assert state.live_us == START_US + S
    state.apply(known.spikes([], [], START_US - 10 * S), 1.1)
    assert state.live_us == START_US - 10 * S


def test_a_spike_of_another_clock_is_not_drawn(state: DisplayState) -> None:
    state.apply(known.spikes([START_US, START_US + 3_600 * S], [100, 101], START_US + 1), 1.0)
    assert len(state.spikes) == 1


def test_posteriors_of_other_classes_are_counted_not_shown(state: DisplayState) -> None:
    row = np.ones((1, 3), np.float32)
    state.apply(Batch(posterior_us=np.array([START_US]), posteriors=row), 1.0)
    assert state.malformed == 1
    assert state.posterior_at(START_US) is None


def test_decisions_are_found_by_time(state: DisplayState) -> None:
    state.apply(known.decided(known.decision(0, "0"), known.decision(1, "90")), 1.0)
    first = state.decision_at(START_US + S // 5)
    assert first is not None
    assert first.top == "0"
    assert state.decision_at(START_US) is None
    posterior = state.posterior_at(START_US + S)
    assert posterior is not None
    assert posterior.argmax() == 1


def test_silence_is_trouble_and_passes(state: DisplayState) -> None:
    state.apply(known.spikes([], [], START_US), 10.0)
    assert state.trouble(10.1) is None
    assert state.trouble(10.5) == Trouble("no spikes", pytest.approx(0.5))
    state.apply(known.spikes([], [], START_US + 1), 12.0)
    assert state.trouble(12.1) is None


def signs(stream: str, moment: int) -> Batch:
    """What a stream sends at a moment, milliseconds: spikes all the time, health five times."""
    if stream == "spikes":
        return known.spikes([], [], START_US + moment * 1_000)
    return known.healthy(every_ms=200.0) if moment % 200 == 0 else Batch()


@pytest.mark.parametrize("stopped", [("health",), ("spikes",), ("spikes", "health")])
@settings(max_examples=20)
@given(phase_ms=st.integers(0, FRAME_MS - 1), last_ms=st.integers(5, 20))
def test_the_alarm_comes_half_a_second_after_the_last_sign_at_the_latest(
    stopped: tuple[str, ...], phase_ms: int, last_ms: int
) -> None:
    """Whenever between two frames the last sign comes: what counts is when it was sent."""
    state, last_ms = DisplayState(known.DECODER), 200 * last_ms
    alarms, unseen = [], list[Batch]()
    for moment in range(last_ms + 600):
        alive = ("spikes", "health") if moment <= last_ms else {"spikes", "health"} - {*stopped}
        unseen += [signs(stream, moment) for stream in alive]
        if moment % FRAME_MS == phase_ms:
            for batch in unseen:
                state.apply(batch, moment / 1_000)
            unseen.clear()
            if state.trouble(moment / 1_000):
                alarms.append(moment)
    assert last_ms < alarms[0] <= last_ms + 500
    trouble = state.trouble(last_ms / 1_000 + 0.6)
    assert trouble is not None
    assert trouble.age_s == pytest.approx(0.6, abs=2 * FRAME_MS / 1_000)


@given(late_ms=st.lists(st.integers(0, 150), min_size=5, max_size=40))
def test_health_put_off_by_a_window_is_no_alarm(late_ms: list[int]) -> None:
    state, now_s = DisplayState(known.DECODER), 0.0
    for late in late_ms:
        state.apply(known.healthy(every_ms=200.0), now_s)
        now_s += 0.2 + late / 1_000
        assert state.trouble(now_s) is None


def test_a_slower_decoder_is_given_the_time_it_says(state: DisplayState) -> None:
    state.apply(known.healthy(every_ms=2_000.0), 10.0)
    assert state.trouble(12.1) is None
    assert state.trouble(12.3) == Trouble("no word from the decoder", pytest.approx(2.3))


def test_a_decoder_that_gets_ready_may_be_silent_for_longer(state: DisplayState) -> None:
    state.apply(known.healthy("WAITING", every_ms=200.0), 10.0)
    assert state.trouble(19.0) is None
    assert state.trouble(21.0) is not None
    state.apply(known.healthy("READY", every_ms=200.0), 22.0)
    assert state.trouble(22.5) is not None


@pytest.mark.parametrize("every_ms", [0.0, -1.0, math.inf, 1e9])
def test_a_pace_that_is_none_is_not_believed(state: DisplayState, every_ms: float) -> None:
    state.apply(known.healthy(every_ms=every_ms), 10.0)
    assert state.trouble(10.3) is None
    assert state.trouble(11.0) is not None


def test_a_decoder_in_trouble_says_so_and_since_when(state: DisplayState) -> None:
    state.apply(known.healthy("FAULTED", message="the model gave NaN"), 10.0)
    state.apply(known.healthy("FAULTED", message="the model gave NaN"), 10.5)
    assert state.trouble(10.6) == Trouble("decoder FAULTED: the model gave NaN", pytest.approx(0.6))
    state.apply(known.healthy("DECODING"), 11.0)
    assert state.trouble(11.1) is None


@pytest.mark.parametrize("last", [Batch(ended=True), known.healthy("STOPPED")])
def test_a_run_that_ended_is_not_stale(state: DisplayState, last: Batch) -> None:
    state.apply(known.spikes([], [], START_US), 10.0)
    state.apply(last, 10.1)
    assert state.ended
    assert state.trouble(60.0) is None
    state.apply(known.healthy("WAITING"), 60.5)
    state.apply(known.spikes([START_US], [100], START_US), 61.0)
    assert not state.ended


def test_a_decoder_that_has_stopped_is_no_stale_one_while_its_source_goes_on(
    state: DisplayState,
) -> None:
    state.apply(known.healthy("STOPPED"), 10.0)
    state.apply(known.spikes([START_US], [100], START_US), 10.1)
    assert state.ended
    assert state.trouble(10.3) is None
    assert state.trouble(60.0) is None


def test_triggers_are_counted(state: DisplayState) -> None:
    state.apply(known.answers(True, False, False), 1.0)
    assert state.triggers.fired == 1
    assert state.triggers.refused == {"dose": 2}


def test_what_was_withheld_is_neither_fired_nor_refused(state: DisplayState) -> None:
    answers = [Trigger(True, "fired"), Trigger(False, WITHHELD, 3, 0.9), Trigger(False, "dose")]
    state.apply(Batch(triggers=answers), 5.0)
    log = state.triggers
    assert (log.fired, log.withheld, log.refused) == (1, 1, {"dose": 1})
    assert (log.given, log.given_s, log.newest) == (answers[1], 5.0, answers[2])
    assert log.totals.reasons == {"fired": 1, WITHHELD: 1, "dose": 1}
    assert not log.can_fire


def test_what_the_decoder_tells_of_its_trigger_goes_first(state: DisplayState) -> None:
    """The display may have been started long after it."""
    told = {"mode": "sham", "fired": 7, "withheld": 5, "classes": ["90"], "per_session": 50}
    state.apply(Batch(triggers=[Trigger(True, "fired")]), 5.0)
    said = Health.from_json(json.dumps({"state": "DECODING", "trigger": told}))
    state.apply(Batch(healths=[said]), 5.1)
    assert state.triggers.can_fire
    assert (state.triggers.totals.fired, state.triggers.totals.given) == (7, 12)


def test_a_short_word_on_the_trigger_changes_its_mode_alone(state: DisplayState) -> None:
    """The watchdog's report of a loop that is stuck has no more."""
    whole = Policy("armed", "as asked", ("90",), 7, 0, 3, {"fired": 7}, 50)
    for policy in (whole, Policy("disarmed", "the loop is stuck")):
        state.apply(known.healthy(policy=policy), 5.0)
    assert state.triggers.totals == replace(whole, mode="disarmed", why="the loop is stuck")
    state.apply(known.healthy(policy=replace(whole, classes=())), 5.0)
    assert not state.triggers.can_fire


def test_a_decoder_started_anew_is_the_same_and_armed_by_another_name(state: DisplayState) -> None:
    anew = replace(known.DECODER, control="decoder-2")
    assert anew == known.DECODER
    state.apply(Batch(decoder=anew), 5.0)
    assert state.decoder.control == "decoder-2"


def test_of_windows_that_slide_figures_are_drawn_eight_times_a_second(state: DisplayState) -> None:
    slow = known.decided(*(known.decision(i, "0") for i in range(20)))
    state.apply(slow, 1.0)
    assert state.stride == 1
    fast = known.decided(*(known.decision(i, "0") for i in range(60)))
    fast.posterior_us = START_US + 10_000 * np.arange(60)
    state.apply(fast, 2.0)
    assert state.stride == round(100 / FIGURES_HZ)


def test_decisions_of_a_span_come_newest_first(state: DisplayState) -> None:
    state.apply(known.decided(*(known.decision(i, "0", "90") for i in range(6))), 1.0)
    since = state.decisions_since(START_US + S)
    assert [decision.window for decision in since] == [5, 4, 3, 2]
    # What is kept for long is kept short.
    assert since[0].stages_ms == {}
    assert since[0].label == "90"
    assert state.timing.n == 6
