"""The trigger policy: what fires, what never may, and that every answer can come."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rtdecode.errors import UserError
from rtdecode.trigger import (
    MINUTE_US,
    Bundle,
    Evidence,
    Mode,
    Reason,
    TriggerPolicy,
    TriggerSettings,
    bundle_standing,
)

CLASSES = ("0", "45", "90")
SURE, UNSURE = (0.02, 0.03, 0.95), (0.3, 0.3, 0.4)
GIVEN = (Reason.FIRED, Reason.WITHHELD)
EASY = TriggerSettings(classes=("90",), refractory_ms=0, per_minute=6000)


def seen(probabilities=SURE, **other):
    """A window that fires if the policy is armed; ``other`` makes it worse."""
    good = {"window": 0, "complete": True, "spikes": 500, "missing": 0}
    late = {"delay_us": 2_000, "data_age_us": 1_000, "decoding": True}
    p = np.array(probabilities, np.float32)
    return Evidence(probabilities=p, **{**good, **late, **other})


def armed(mode=Mode.ARMED, bundle=Bundle.CALIBRATED, **changed):
    """A policy that fires at every sure window, but for what is changed."""
    policy = TriggerPolicy(EASY.model_copy(update=changed), CLASSES, bundle)
    policy.enter(mode)
    return policy


def reasons(policy, windows, step_us=250_000):
    """Answers to windows a quarter of a second apart."""
    return [policy.answer(window, (n + 1) * step_us).reason for n, window in enumerate(windows)]


def test_it_begins_disarmed_and_never_fires_so():
    policy = TriggerPolicy(EASY, CLASSES, Bundle.CALIBRATED)
    assert policy.mode is Mode.DISARMED
    assert set(reasons(policy, [seen()] * 20)) == {Reason.DISARMED}


def test_armed_it_fires_and_counts():
    policy = armed()
    answer = policy.answer(seen(window=7), 1)
    assert (answer.fired, answer.reason, answer.window, answer.count) == (True, "fired", 7, 1)
    assert answer.p == pytest.approx(0.95)


VETOES = {
    Reason.UNSOUND: [
        {"probabilities": (0.05, np.nan, 0.95)},
        {"probabilities": (0.0, 0.0, np.inf)},
        {"probabilities": (-0.5, 0.5, 1.0)},
        {"probabilities": (0.95, 0.95, 0.95)},
    ],
    Reason.TROUBLED: [{"decoding": False}],
    Reason.STALE: [{"data_age_us": 100_001}],
    Reason.DELAYED: [{"delay_us": 200_000}],
    Reason.EARLY: [{"delay_us": -20_001}],
    Reason.INCOMPLETE: [{"complete": False}],
    Reason.MISSING: [{"missing": 6}, {"missing": 1, "spikes": 1}, {"missing": 1, "spikes": 0}],
    Reason.BELOW: [{"probabilities": UNSURE}],
}
CASES = [(reason, worse) for reason, many in VETOES.items() for worse in many]


@pytest.mark.parametrize(("reason", "worse"), CASES)
@pytest.mark.parametrize("mode", [Mode.ARMED, Mode.SHAM, Mode.DRY_RUN])
def test_a_veto_refuses_and_ends_a_run(reason, worse, mode):
    policy = armed(mode, windows=2)
    found = reasons(policy, [seen(), seen(**worse), seen(), seen()])
    assert found[:3] == [Reason.RUN, reason, Reason.RUN]
    assert found[3] in (*GIVEN, Reason.DRY_RUN)


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [(Bundle.UNCALIBRATED, Reason.UNCALIBRATED), (Bundle.REFUSED, Reason.REFUSED)],
)
def test_a_bundle_that_is_not_trusted_never_fires(bundle, reason):
    assert set(reasons(armed(bundle=bundle), [seen()] * 5)) == {reason}


@pytest.mark.parametrize(
    ("metrics", "standing"),
    [
        ({}, Bundle.UNCALIBRATED),
        ({"calibration_error": 0.11}, Bundle.UNCALIBRATED),
        ({"calibration_error": float("nan")}, Bundle.UNCALIBRATED),
        ({"calibration_error": 0.1}, Bundle.CALIBRATED),
    ],
)
def test_a_bundle_is_trusted_by_its_calibration_on_trials_kept_out(metrics, standing):
    assert bundle_standing(metrics, EASY) is standing


@pytest.mark.parametrize(
    ("classes", "combine", "probabilities", "fires"),
    [
        (("45", "90"), "sum", (0.05, 0.5, 0.45), True),
        (("45", "90"), "any", (0.05, 0.5, 0.45), False),
        (("45", "90"), "any", (0.05, 0.95, 0.0), True),
        (("0",), "sum", (0.05, 0.0, 0.95), False),
        (("90", "90"), "sum", (0.5, 0.0, 0.5), False),
        ((), "sum", (0.0, 0.0, 1.0), False),
        ((), "any", (0.0, 0.0, 1.0), False),
    ],
)
def test_a_set_of_classes_fires_by_its_sum_or_by_any(classes, combine, probabilities, fires):
    policy = armed(classes=classes, combine=combine)
    assert policy.answer(seen(probabilities), 1).fired is fires


def test_the_threshold_itself_is_reached():
    policy = armed(threshold=0.5)
    assert policy.answer(seen((0.25, 0.25, 0.5)), 1).fired
    assert policy.answer(seen((0.25, 0.2501, 0.4999)), 2).reason is Reason.BELOW


def test_a_class_that_the_bundle_lacks_is_refused():
    with pytest.raises(UserError, match=r"trigger\.classes .*found '91'"):
        armed(classes=("91",))


def test_a_run_begins_anew_after_a_trigger_a_lapse_and_another_mode():
    policy = armed(windows=2)
    assert reasons(policy, [seen()] * 4) == [Reason.RUN, Reason.FIRED] * 2
    policy.answer(seen(), 10**7)
    policy.lapse()
    assert policy.answer(seen(), 2 * 10**7).reason is Reason.RUN
    policy.enter(Mode.ARMED)
    assert policy.answer(seen(), 3 * 10**7).reason is Reason.RUN


def test_a_refused_candidate_does_not_restart_the_lock_out():
    policy = armed(refractory_ms=1000)
    found = reasons(policy, [seen()] * 9)
    assert found == [Reason.FIRED, *[Reason.REFRACTORY] * 3] * 2 + [Reason.FIRED]


def test_most_a_minute_and_most_a_session():
    policy = armed(per_minute=3, per_session=5)
    found = reasons(policy, [seen()] * 400)
    fired = [n for n, reason in enumerate(found) if reason is Reason.FIRED]
    assert fired == [0, 1, 2, 240, 241]
    assert found[3:240] == [Reason.RATE] * 237
    assert set(found[242:]) == {Reason.DOSE}
    policy.enter(Mode.DISARMED)
    policy.enter(Mode.ARMED)
    assert policy.answer(seen(), 10**10).reason is Reason.DOSE, "arming anew gives no new dose"


def test_sham_withholds_the_set_share_and_counts_what_it_withholds():
    windows = [seen()] * 4000
    policy = armed(Mode.SHAM, sham_share=0.3, per_session=4000)
    found = reasons(policy, windows, MINUTE_US)
    assert set(found) == set(GIVEN)
    # Five standard deviations of a binomial.
    assert abs(found.count(Reason.WITHHELD) - 1200) < 145
    assert policy.count == 4000
    again = armed(Mode.SHAM, sham_share=0.3, per_session=4000)
    assert reasons(again, windows, MINUTE_US) == found
    other = armed(Mode.SHAM, sham_share=0.3, per_session=4000, seed=1)
    assert reasons(other, windows, MINUTE_US) != found


def test_a_dry_run_says_when_it_would_fire_and_spends_nothing():
    policy = armed(Mode.DRY_RUN, per_session=3)
    assert reasons(policy, [seen()] * 4) == [Reason.DRY_RUN] * 3 + [Reason.DOSE]
    policy.enter(Mode.ARMED)
    assert [policy.answer(seen(), 10**7 + n).fired for n in range(4)] == [True] * 3 + [False]
    policy.enter(Mode.DRY_RUN)
    assert policy.answer(seen(), 10**8).reason is Reason.DRY_RUN


def test_a_clock_that_goes_back_refuses_until_it_is_where_it_was():
    policy = armed()
    assert policy.answer(seen(), 1000).fired
    assert policy.answer(seen(), 999).reason is Reason.CLOCK
    assert policy.answer(seen(), 999).reason is Reason.CLOCK
    assert policy.answer(seen(), 1000).fired


def test_every_reason_can_be_given():
    """No branch that can never be reached."""
    windows = [seen(**worse) for _, worse in CASES] + [seen()] * 2000
    found = set(reasons(TriggerPolicy(EASY, CLASSES, Bundle.CALIBRATED), [seen()]))
    for bundle in Bundle:
        found |= set(reasons(armed(bundle=bundle), [seen()]))
    for mode in (Mode.ARMED, Mode.SHAM, Mode.DRY_RUN):
        policy = armed(mode, windows=2, refractory_ms=600, per_minute=9, per_session=30)
        found |= set(reasons(policy, windows))
        found.add(policy.answer(seen(), 0).reason)
    assert found == set(Reason)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": 1.01},
        {"threshold": float("nan")},
        {"windows": 0},
        {"refractory_ms": -1},
        {"refractory_ms": float("inf")},
        {"per_minute": 0},
        {"per_session": 0},
        {"sham_share": 1.5},
        {"combine": "most"},
        {"treshold": 0.9},
    ],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        TriggerSettings(**wrong)


POLICIES = st.builds(
    TriggerSettings,
    classes=st.just(("90",)),
    windows=st.integers(1, 4),
    refractory_ms=st.sampled_from([0.0, 1.0, 900.0, 30_000.0]),
    per_minute=st.integers(1, 5),
    per_session=st.integers(1, 12),
    sham_share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 3),
)
WORSE = st.sampled_from([{}] * 12 + [worse for _, worse in CASES])
STEPS_US = st.sampled_from([0, 1, 250_000, 250_000, 250_000, 1_000_000, 20_000_000, -300_000])
EVENTS = st.lists(
    st.one_of(
        st.tuples(STEPS_US, WORSE),
        st.tuples(STEPS_US, WORSE),
        st.tuples(STEPS_US, WORSE),
        st.sampled_from([Mode.ARMED, Mode.ARMED, Mode.SHAM, Mode.DRY_RUN, Mode.DISARMED]),
    ),
    max_size=120,
)


def play(chosen, bundle, events):
    """Every answer with its time, and what was asked."""
    policy = TriggerPolicy(chosen, CLASSES, bundle)
    now_us, told = 10**9, []
    for event in events:
        if isinstance(event, Mode):
            policy.enter(event)
            told.append((now_us, event, None))
        else:
            now_us += event[0]
            told.append((now_us, event[1], policy.answer(seen(**event[1]), now_us)))
    return told


@given(POLICIES, st.sampled_from([Bundle.CALIBRATED] * 5 + list(Bundle)), EVENTS)
@settings(max_examples=600)
def test_no_sequence_of_inputs_exceeds_rate_dose_or_refractory(chosen, bundle, events):
    told = play(chosen, bundle, events)
    given_us = [t for t, _, answer in told if answer and answer.reason in GIVEN]
    assert len(given_us) <= chosen.per_session
    assert np.all(np.diff(given_us) >= chosen.refractory_ms * 1000)
    for t in given_us:
        assert sum(t <= other < t + MINUTE_US for other in given_us) <= chosen.per_minute
    if bundle is not Bundle.CALIBRATED:
        assert given_us == []
    mode = Mode.DISARMED
    for _, asked, answer in told:
        if answer is None:
            mode = asked
            continue
        assert answer.fired == (answer.reason is Reason.FIRED)
        if answer.reason in (*GIVEN, Reason.DRY_RUN):
            assert asked == {}, "a window that some veto forbids"
            assert (answer.reason is Reason.DRY_RUN) == (mode is Mode.DRY_RUN)
            assert mode is not Mode.DISARMED
            assert mode is Mode.SHAM or answer.reason is not Reason.WITHHELD


def oracle(chosen, told):
    """The same answers looked up in the whole history, not kept in a state.

    A window gives a trigger when it and those before it, back to the last mode or
    trigger, hold a run that is long enough, and no trigger given forbids it.
    """
    for n, (t, _, answer) in enumerate(told):
        if answer is None:
            continue
        modes = [m for m, (_, _, a) in enumerate(told[:n]) if a is None]
        mode = told[modes[-1]][1] if modes else Mode.DISARMED
        if mode is Mode.DISARMED:
            yield Reason.DISARMED
            continue
        dry = mode is Mode.DRY_RUN
        start = modes[-1] + 1
        ends = (Reason.DRY_RUN,) if dry else GIVEN
        before = told[start:n] if dry else told[:n]
        kept = [u for u, _, a in before if a is not None and a.reason in ends]
        run = 0
        for m in range(n, start - 1, -1):
            u, worse, a = told[m]
            late = any(v > u for v, _, b in told[:m] if b is not None)
            if worse or late or (m < n and a.reason in ends):
                break
            run += 1
        if run == 0:
            yield None
        elif run < chosen.windows:
            yield Reason.RUN
        elif len(kept) >= chosen.per_session:
            yield Reason.DOSE
        elif any(t - u < chosen.refractory_ms * 1000 for u in kept):
            yield Reason.REFRACTORY
        elif sum(t - u < MINUTE_US for u in kept) >= chosen.per_minute:
            yield Reason.RATE
        else:
            yield "given"


@given(POLICIES, EVENTS)
@settings(max_examples=600)
def test_every_answer_is_the_one_that_the_whole_history_gives(chosen, events):
    told = play(chosen, Bundle.CALIBRATED, events)
    answers = [answer.reason for _, _, answer in told if answer is not None]
    expected = list(oracle(chosen, told))
    assert len(answers) == len(expected)
    for found, wanted in zip(answers, expected, strict=True):
        if wanted == "given":
            assert found in (*GIVEN, Reason.DRY_RUN)
        elif wanted is None:
            assert found is Reason.CLOCK or found in VETOES
        else:
            assert found is wanted


@given(POLICIES, EVENTS)
def test_windows_that_were_refused_by_a_limit_change_nothing_after(chosen, events):
    """Taken out of the sequence, the rest is answered as before."""
    chosen = replace_windows(chosen)
    told = play(chosen, Bundle.CALIBRATED, events)
    limits = (Reason.REFRACTORY, Reason.RATE, Reason.DOSE)
    kept = [(t, asked, a) for t, asked, a in told if a is None or a.reason not in limits]
    policy = TriggerPolicy(chosen, CLASSES, Bundle.CALIBRATED)
    for t, asked, answer in kept:
        if answer is None:
            policy.enter(asked)
        elif answer.reason is not Reason.CLOCK:
            assert policy.answer(seen(**asked), t).reason is answer.reason


def replace_windows(chosen):
    """Runs of one window: a refused candidate is part of a longer run, rightly."""
    return chosen.model_copy(update={"windows": 1})


def test_evidence_is_not_changed():
    window = seen()
    before = replace(window, probabilities=window.probabilities.copy())
    armed().answer(window, 5)
    np.testing.assert_array_equal(window.probabilities, before.probabilities)
