"""A decoder's trigger armed, practised, withheld and disarmed, and its bundle exchanged."""

import pytest

from rtdecode import streams
from rtdecode.errors import UserError
from tests.live.conftest import Commands
from tests.live.go_bundle import write_go_bundle
from tests.live.observers import PATIENCE_S, Rig, sha256_of


@pytest.fixture(scope="module")
def rig(go_bundle):
    """A decoder and a source for all tests here."""
    started = Commands()
    try:
        yield Rig(started, go_bundle)
    finally:
        started.end()


def test_it_starts_disarmed_and_says_so_of_every_window(rig):
    rig.tell("set", "go", "on")
    rig.heard.state("DECODING")
    rig.heard.until(streams.TRIGGERS, lambda said: said["window"] >= 4)
    told = rig.heard.said[streams.TRIGGERS]
    assert {(said["fired"], said["reason"]) for said in told} == {(False, "disarmed")}
    windows = [said["window"] for said in told]
    assert windows == list(range(windows[0], windows[0] + len(windows))), "each window, once"


def test_armed_it_fires_and_disarmed_no_more(rig):
    began_us = rig.fires()
    rig.tell("set", "go", "off")
    rig.heard.refused("below threshold", began_us)
    rig.tell("set", "go", "on")
    assert rig.send("disarm")["mode"] == "disarmed"
    off_us = streams.clock_us()
    rig.heard.refused("disarmed", off_us)
    assert rig.heard.firings(off_us) == []
    said = rig.heard.health(lambda said: said["trigger"]["mode"] == "disarmed", off_us)
    assert said["trigger"]["fired"] == rig.checked() > 0
    assert said["trigger"]["refused"] >= said["trigger"]["reasons"]["below threshold"] > 0


def test_a_dry_run_says_what_would_fire(rig):
    rig.tell("set", "go", "on")
    rig.send("dry-run")
    since_us = streams.clock_us()
    assert rig.heard.refused("dry run", since_us)["mode"] == "dry-run"
    assert rig.heard.firings(since_us) == []


def test_sham_withholds_some_and_logs_them(rig):
    rig.tell("set", "go", "on")
    rig.send("sham")
    since_us = streams.clock_us()
    rig.heard.fired(since_us)
    withheld = rig.heard.refused("withheld as sham", since_us)
    assert not withheld["fired"]
    told = rig.heard.health(lambda said: said["trigger"]["withheld"] > 0)
    assert told["trigger"]["mode"] == "sham"
    rig.checked()


def test_the_command_line_arms_and_disarms(rig):
    assert rig.commands.call("arm", "--decoder", rig.name) == "trigger armed"
    assert rig.commands.call("dry-run") == "trigger dry-run", "the only decoder needs no name"
    assert rig.commands.call("arm", "--sham") == "trigger sham"
    assert rig.commands.call("disarm") == "trigger disarmed"


def test_another_bundle_takes_over_between_two_windows_and_is_not_armed(rig, tmp_path):
    rig.fires()
    successor = write_go_bundle(tmp_path / "next.pt", p_go=0.99)
    said = rig.send("swap", bundle=str(successor))
    assert (said["mode"], said["bundle"]) == ("disarmed", sha256_of(successor))
    swapped_us = streams.clock_us()
    after = rig.heard.until(
        streams.DECISIONS, lambda said: said["bundle"] == sha256_of(successor), swapped_us - 10**6
    )
    assert after["p"] == pytest.approx(0.99)
    rig.heard.until(streams.DECISIONS, lambda said: said["window"] > after["window"] + 2)
    windows = [said["window"] for said in rig.heard.said[streams.DECISIONS]]
    assert windows == list(range(windows[0], windows[0] + len(windows))), "none was missed"
    rig.heard.refused("disarmed", swapped_us)
    assert rig.fires() > swapped_us, "armed anew it fires"


def test_a_bundle_that_does_not_fit_is_refused_and_the_old_one_goes_on(rig, tmp_path):
    before = rig.send("status")["bundle"]
    stranger = write_go_bundle(tmp_path / "stranger.pt", units=tuple(range(20, 30)))
    with pytest.raises(UserError, match="found other units"):
        rig.send("swap", bundle=str(stranger))
    (tmp_path / "text.pt").write_text("no bundle at all\n")
    with pytest.raises(UserError, match="rtdecode bundle"):
        rig.send("swap", bundle=str(tmp_path / "text.pt"))
    assert rig.send("status")["bundle"] == before
    rig.heard.until(streams.DECISIONS, lambda said: True, streams.clock_us())


def test_a_request_that_is_none_is_refused(rig):
    with pytest.raises(UserError, match="asked for arm, sham, dry-run, disarm, swap, status"):
        rig.send("fire")


def test_the_decoder_tells_the_name_it_is_armed_by(rig):
    found = streams.find(streams.POSTERIOR, streams.POSTERIOR_FORMAT, PATIENCE_S)
    inlet = streams.PosteriorInlet(found)
    assert inlet.about(["control"]) == {"control": rig.name}
