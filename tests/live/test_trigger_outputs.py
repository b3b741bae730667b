"""What a trigger sets off from a decoder's own process: a byte and a function."""

import json
import os
import sys

import pytest

from rtdecode import streams
from tests.live.conftest import finish
from tests.live.observers import Rig
from tests.trigger_functions import install

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no pseudo-terminals to stand for a port"
)


def test_every_trigger_is_a_byte_and_a_call_and_a_port_that_goes_disarms(
    commands, go_bundle, tmp_path, monkeypatch
):
    board, port = os.openpty()
    os.set_blocking(board, False)
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    monkeypatch.setenv("TRIGGER_LOG", str(tmp_path / "log"))
    serial = [f"outputs.serial.port={os.ttyname(port)}", "outputs.serial.byte=65"]
    rig = Rig(commands, go_bundle, *serial, "outputs.callables=log")
    rig.fires()
    rig.heard.listen(0.5)
    rig.send("disarm")
    off_us = streams.clock_us()
    rig.heard.refused("disarmed", off_us)
    fired = rig.checked()
    assert os.read(board, 1000) == b"A" * fired
    called = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [said["window"] for said in called] == [said["window"] for said in rig.heard.firings()]

    stages = [said["stages_ms"] for said in rig.heard.said[streams.DECISIONS]]
    assert sum("trigger" in told for told in stages) == fired
    said = rig.heard.health(lambda said: "trigger" in said["latency_ms"])
    assert said["latency_ms"]["trigger"]["max"] > 0

    rig.fires()
    os.close(board)
    os.close(port)
    failed = rig.heard.until(streams.TRIGGERS, lambda said: said.get("failed"))
    assert "serial port" in failed["failed"][0]
    gone = rig.heard.health(lambda said: said["trigger"]["mode"] == "disarmed", failed["at_us"])
    assert "serial port" in gone["trigger"]["why"]
    rig.heard.refused("disarmed", failed["at_us"])
    assert rig.heard.firings(failed["at_us"]) == [], "decoding goes on and nothing fires"
    rig.decoder.terminate()
    assert "trigger disarmed: serial port" in finish(rig.decoder)
