"""What goes wrong at the start: twins of a name, a stream that never comes, a life before."""

import numpy as np
import pytest

from rtdecode import control, streams
from rtdecode.errors import UserError
from rtdecode.session.model import Units
from rtdecode.speeds import speed_of, told_speed
from tests.live.conftest import finish
from tests.live.go_bundle import UNITS
from tests.live.observers import PATIENCE_S, SEEN_S, Heard, Rig, start_source, tell


def test_two_sources_of_a_name_end_the_decoder_with_both_named(commands, go_bundle):
    sources = [start_source(commands, f"twin-{n}") for n in range(2)]
    for source in sources:
        tell(source, "set", "go", "on")
    said = finish(commands.start("decode", go_bundle), 2)
    assert "expected one stream of type 'SpikeEvents', found 2" in said
    assert "twin-0" in said
    assert "twin-1" in said


def test_a_second_source_of_the_name_that_comes_later_is_not_heard(commands, go_bundle):
    first = start_source(commands, "first-rig")
    tell(first, "set", "marks", "on")
    decoder = commands.start("decode", go_bundle, "-o", "trigger.classes=go", "-o", "name=chosen")
    heard = Heard(decoder)
    before = heard.state("DECODING")
    second = start_source(commands, "second-rig")
    sent_us = tell(second, "strangers", 500)
    after = heard.health(lambda said: said["windows"] > before["windows"] + 8, sent_us)
    assert after["spikes"]["unknown"] == 0, "what the second sends is not mixed in"
    assert after["state"] == "DECODING"


def test_a_marker_stream_that_never_comes_is_waited_for_and_named(commands, go_bundle):
    n = len(UNITS)
    table = Units(np.array(UNITS), np.full(n, ""), np.full(n, np.nan), np.full(n, ""))
    spikes = streams.SpikeOutlet(table, source_id="mute-rig")
    decoder = commands.start(
        "decode", go_bundle, "-o", "name=waiting", "-o", "trigger.classes=go",
        "--spikes", streams.SPIKES, "--stimuli", "never",
    )  # fmt: skip
    heard = Heard(decoder)
    told = heard.health(lambda said: said["message"] == "waiting for a stream never")
    assert told["state"] == "WAITING"
    assert told["trigger"]["mode"] == "disarmed"
    later = heard.health(lambda said: True, told["at_us"])
    assert later["at_us"] - told["at_us"] < SEEN_S * 1e6, "it goes on telling that it waits"
    assert control.send("waiting", "status", PATIENCE_S)["fired"] == 0
    decoder.terminate()
    assert "waiting: waiting for a stream never" in finish(decoder)
    del spikes


def test_a_replay_of_no_speed_is_taken_for_live_and_told(commands, go_bundle):
    n = len(UNITS)
    table = Units(np.array(UNITS), np.full(n, ""), np.full(n, np.nan), np.full(n, ""))
    outlets = [streams.TextOutlet(streams.STIMULI, "fast-stimuli")]
    outlets += [streams.SpikeOutlet(table, source_id="fast-rig", replay={"speed": "fast"})]
    decoder = commands.start("decode", go_bundle, "-o", "name=taken")
    Heard(decoder).health(lambda said: said["state"] == "READY")
    decoder.terminate()
    said = " ".join(finish(decoder).split())
    assert "replayed at speed 'fast', which is no number above 0" in said
    del outlets


@pytest.mark.parametrize("told", ["fast", "nan", "inf", "0", "-2", ""])
def test_what_can_be_no_speed_is_none(told):
    assert told_speed({"speed": told}) is None
    assert speed_of({"speed": told}) == 1.0


def test_a_decoder_killed_within_a_window_is_off_and_its_successor_too(commands, go_bundle):
    rig = Rig(commands, go_bundle, name="mortal", source_id="mortal-rig")
    rig.fires()
    rig.decoder.kill()  # at 120 ms a marker and windows of 100, one is open nearly always
    rig.decoder.wait()
    with pytest.raises(UserError, match="expected a decoder 'mortal'"):
        control.send(rig.name, "arm")
    options = ["-o", "trigger.classes=go", "-o", f"name={rig.name}"]
    rig.decoder = commands.start("decode", go_bundle, *options)
    rig.heard = Heard(rig.decoder)
    rig.heard.state("DECODING")
    answers = rig.heard.until(streams.TRIGGERS, lambda said: said["window"] >= 3)
    assert answers["reason"] == "disarmed"
    assert rig.heard.firings() == []
    rig.fires()
