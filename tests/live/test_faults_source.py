"""What goes wrong with the spikes while a trigger is armed: seen in time, counted, and survived.

One decoder lives through all of it, told to go all the while or not at all; after each
fault it decodes and fires again. ``rig.checked`` holds every trigger of the whole module
against the decision it was for.
"""

import signal
import sys
from collections import Counter

import pytest

from rtdecode import streams
from tests.live.conftest import Commands
from tests.live.observers import SEEN_S, Rig, note, seconds_between

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")


@pytest.fixture(scope="module")
def module_rig(go_bundle):
    """A decoder and a source for all tests here."""
    started = Commands()
    try:
        yield Rig(started, go_bundle)
    finally:
        started.end()


@pytest.fixture
def rig(module_rig):
    """The rig, armed and firing before the fault; whole and firing after it."""
    module_rig.fires()
    yield module_rig
    for name in ("nan", "shuffle", "twice"):
        module_rig.tell("set", name, "off")
    module_rig.fires()
    assert module_rig.checked() > 0


def totals(message):
    """Rows by kind, of a health message; none while it waits for its streams."""
    return Counter(message.get("spikes", {}))


def stale(rig, since_us):
    """The message that tells of stale data in time; the trigger is off from there."""
    told = rig.heard.state("STALE", after_us=since_us)
    assert told["at_us"] / 1e6 - told["since_s"] < SEEN_S
    off = rig.heard.health(lambda said: said["trigger"]["mode"] == "disarmed", since_us)
    assert seconds_between(told["at_us"], off) < SEEN_S
    assert off["trigger"]["why"] == "the data went stale"
    return told


def decodes_and_stays_off(rig, since_us, windows=3):
    """So many windows more, none of which fires."""
    rig.heard.more(streams.TRIGGERS, windows, since_us)
    assert rig.heard.firings(since_us) == []


def test_a_killed_source_is_stale_and_its_successor_is_decoded_but_not_armed(rig, request):
    killed_us = streams.clock_us()
    rig.source.kill()
    told = stale(rig, killed_us)
    note(request, killed_us, told)
    assert told["message"] == "no spikes or watermarks from rtdecode-spikes"
    assert rig.heard.firings(told["at_us"]) == []
    rig.restart_source()
    rig.tell("set", "go", "on")
    rig.heard.state("DECODING", after_us=told["at_us"])
    decodes_and_stays_off(rig, told["at_us"])
    again = rig.heard.health(lambda said: said["windows"] > told["windows"])
    assert totals(again)["lost"] == totals(told)["lost"], "how much is missing, no number says"


@posix
def test_a_paused_source_is_stale_and_what_it_sends_late_fires_nothing(rig, request):
    before = rig.heard.health(lambda said: True, streams.clock_us())
    stopped_us = rig.tell("stop")
    told = stale(rig, stopped_us)
    note(request, stopped_us, told)
    rig.heard.listen(0.5)
    went_on_us = streams.clock_us()
    rig.source.send_signal(signal.SIGCONT)
    rig.heard.state("DECODING", after_us=went_on_us)
    decodes_and_stays_off(rig, told["at_us"])
    after = rig.heard.health(lambda said: totals(said)["late"] > totals(before)["late"])
    assert totals(after)["lost"] == totals(before)["lost"]
    assert after["windows_incomplete"] > before["windows_incomplete"], "cut by the pause"


def test_a_burst_of_fifty_times_the_rate_is_taken_whole(rig, request):
    before = totals(rig.heard.health(lambda said: True, streams.clock_us()))
    began_us = rig.tell("burst", 1.0)
    faster = rig.heard.health(lambda said: said.get("spikes_per_s", 0) > 10_000, began_us)
    note(request, began_us, faster)
    after = totals(
        rig.heard.health(lambda said: totals(said)["on_time"] > before["on_time"] + 40_000)
    )
    assert after["lost"] == before["lost"]
    assert after["malformed"] == before["malformed"]
    rig.heard.fired(streams.clock_us())


def test_shuffled_and_doubled_spikes_are_put_right(rig, request):
    before = totals(rig.heard.health(lambda said: True, streams.clock_us()))
    rig.tell("set", "shuffle", "on")
    began_us = rig.tell("set", "twice", "on")
    told = rig.heard.health(lambda said: totals(said)["duplicate"] > before["duplicate"])
    note(request, began_us, told)
    after = rig.heard.health(lambda said: totals(said)["duplicate"] > before["duplicate"] + 300)
    rig.heard.fired(began_us)
    assert totals(after)["lost"] == before["lost"]
    rig.tell("set", "go", "off")
    rig.heard.refused("below threshold", streams.clock_us())


def test_spikes_of_unknown_units_are_counted_and_change_nothing(rig, request):
    before = totals(rig.heard.health(lambda said: True, streams.clock_us()))
    rig.tell("set", "go", "off")
    rig.heard.refused("below threshold", streams.clock_us())
    sent_us = rig.tell("strangers", 200)
    after = rig.heard.health(
        lambda said: totals(said)["unknown"] == before["unknown"] + 200, sent_us
    )
    assert seconds_between(sent_us, after) < SEEN_S
    note(request, sent_us, after)
    decodes_and_stays_off(rig, sent_us)


@pytest.mark.parametrize(
    ("stamp", "kind"),
    [
        ("nan", "malformed"),
        ("inf", "malformed"),
        ("-inf", "malformed"),
        ("3600", "malformed"),
        ("-3600", "late"),
    ],
)
def test_stamps_that_are_no_time_or_of_another_clock_are_counted_and_do_not_fire(
    rig, request, stamp, kind
):
    """They are of the unit that would make it fire."""
    rig.tell("set", "go", "off")
    rig.heard.refused("below threshold", streams.clock_us())
    before = totals(rig.heard.health(lambda said: True, streams.clock_us()))
    sent_us = rig.tell("stamped", stamp, 50)
    after = rig.heard.health(lambda said: totals(said)[kind] == before[kind] + 50, sent_us)
    assert seconds_between(sent_us, after) < SEEN_S
    note(request, sent_us, after)
    decodes_and_stays_off(rig, sent_us)


@pytest.mark.parametrize("step_s", [10, -10])
def test_a_source_whose_clock_steps_is_stale_until_it_steps_back(rig, request, step_s):
    """Rows still come, but of a time that cannot be."""
    kind = "malformed" if step_s > 0 else "late"
    before = totals(rig.heard.health(lambda said: True, streams.clock_us()))
    stepped_us = rig.tell("skew", step_s)
    told = stale(rig, stepped_us)
    note(request, stepped_us, told)
    assert "clock" in told["message"]
    assert totals(told)[kind] > before[kind]
    assert rig.heard.firings(told["at_us"]) == []
    back_us = rig.tell("skew", 0)
    rig.heard.state("DECODING", after_us=back_us)
    decodes_and_stays_off(rig, back_us)


MARKERS = {
    '0 {"stimulus_name": ': "malformed",
    '0 {"stimulus_name": 3}': "malformed",
    "0 [1, 2": "unmapped",
    "0 " + "[" * 5000: "unmapped",
    '0 {"a":' + "[" * 5000: "malformed",
    'nan {"cue": "go", "stimulus_name": "cues"}': "malformed",
    "inf go": "malformed",
    "3600 go": "malformed",
    "-3600 go": "too_old",
}


def test_malformed_markers_are_counted_each_as_what_it_is(rig, request):
    before = rig.heard.health(lambda said: True, streams.clock_us())["markers"]
    for text in MARKERS:
        sent_us = rig.tell("text", *text.split(" "))
    kinds = list(MARKERS.values())
    wanted = {kind: before[kind] + kinds.count(kind) for kind in set(kinds)}
    after = rig.heard.health(lambda said: wanted.items() <= said["markers"].items(), sent_us)
    assert seconds_between(sent_us, after) < SEEN_S
    note(request, sent_us, after)
    rig.heard.fired(sent_us)
