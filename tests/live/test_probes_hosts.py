"""Source and decoder on two hosts: network and clock of their own, a slow and lossy link."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtdecode.host_clocks import STEP_US, HostClocks
from tests.live.conftest import finish

STEADY_SOURCE = Path(__file__).with_name("steady_source.py")
AHEAD_S = 5000  # of the source's clock
LINK = ("delay", "10ms", "3ms", "loss", "1%")
LSL_CONFIG = """\
[ports]
IPv6 = disable
[multicast]
ResolveScope = link
[lab]
KnownPeers = {{10.77.{net}.1, 10.77.{net}.2}}
SessionID = rtdecode-hosts-{run}
[log]
level = -2
"""


class Clock:
    """An inlet whose host's clock is what a test says."""

    def __init__(self, host, offset_us, is_remote=True):
        self.stream = SimpleNamespace(name="spikes", host=host)
        self.is_remote = is_remote
        self.now_us = offset_us

    def offset_us(self):
        return self.now_us


def test_offsets_are_told_and_their_steps_counted_and_said():
    rig, here = Clock("rig", None), Clock("here", 7, is_remote=False)
    clocks = HostClocks([rig, here])
    assert clocks.look() == ""
    assert clocks.told() == [
        {"stream": "spikes", "host": "rig", "offset_ms": None, "steps": 0, "last_step_ms": 0.0}
    ]
    rig.now_us = -5_000_000
    assert clocks.look() == "clock of rig (spikes): -5000.000 ms from ours"
    rig.now_us += STEP_US - 1  # drift
    assert clocks.look() == ""
    rig.now_us += 250_000
    assert clocks.look() == "clock of rig (spikes) stepped by +250.000 ms"
    assert clocks.look() == ""
    (told,) = clocks.told()
    assert (told["steps"], told["last_step_ms"]) == (1, 250.0)


def sh(*words):
    subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=30)


def why_not():
    """Why this machine has no two hosts for us; empty if it has."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if missing := [tool for tool in ("ip", "tc", "unshare") if shutil.which(tool) is None]:
        return f"no {', '.join(missing)} on this machine"
    name = f"rtd-probe-{os.getpid()}"
    try:
        sh("ip", "netns", "add", name)
        sh("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root", "netem", *LINK)
        sh("unshare", "-u", "-T", "--monotonic", "1", "--fork", "true")
    except subprocess.CalledProcessError as error:
        return f"this machine allows no namespaces: {error.stderr.decode().strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return ""


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """Two network namespaces and the link between them; commands that run in each."""
    if reason := why_not():
        pytest.skip(reason)
    net = os.getpid() % 250
    names = [f"rtd-{net}-{side}" for side in "ab"]
    config = tmp_path / "lsl.cfg"
    config.write_text(LSL_CONFIG.format(net=net, run=uuid.uuid4().hex[:12]))
    monkeypatch.setenv("LSLAPICFG", str(config))
    try:
        for name in names:
            sh("ip", "netns", "add", name)
        sh("ip", "link", "add", f"veth{net}a", "netns", names[0], "type", "veth", "peer",
           "name", f"veth{net}b", "netns", names[1])  # fmt: skip
        for place, (name, side) in enumerate(zip(names, "ab", strict=True), start=1):
            inside = ("ip", "netns", "exec", name)
            sh(*inside, "ip", "addr", "add", f"10.77.{net}.{place}/24", "dev", f"veth{net}{side}")
            sh(*inside, "ip", "link", "set", f"veth{net}{side}", "up")
            sh(*inside, "ip", "link", "set", "lo", "up")
            sh(*inside, "ip", "route", "add", "default", "dev", f"veth{net}{side}")
            sh(*inside, "tc", "qdisc", "add", "dev", f"veth{net}{side}", "root", "netem", *LINK)
        clock = ("unshare", "-u", "-T", "--monotonic", str(AHEAD_S), "--fork", "sh", "-c",
                 'hostname source-host && exec "$@"', "sh")  # fmt: skip
        yield [("ip", "netns", "exec", names[0], *clock), ("ip", "netns", "exec", names[1])]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def start(host, *words):
    command = [*host, sys.executable, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_a_source_on_another_host_with_another_clock_is_decoded(hosts, bundle, tmp_path):
    source_host, decoder_host = hosts
    files = ["--json", tmp_path / "live.json", "--windows", "15"]
    source = start(source_host, STEADY_SOURCE, bundle, "far")
    watcher = start(
        decoder_host, "-c",
        "import json, sys\n"
        "from tests.live.test_watchdog import HealthWatcher, decoding\n"
        "said, _ = HealthWatcher().until(decoding(10))\n"
        "json.dump(said, open(sys.argv[1], 'w'))",
        tmp_path / "health.json",
    )  # fmt: skip
    decoder = start(
        decoder_host, "-m", "rtdecode.cli", "decode", bundle, "--lateness", "1000", *files
    )
    try:
        said = finish(decoder)
        finish(watcher)
    finally:
        for process in (source, watcher, decoder):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    figures = json.loads((tmp_path / "live.json").read_text())
    spikes = figures["spikes"]
    assert spikes["on_time"] > 1000
    assert spikes["malformed"] == spikes["lost"] == spikes["unknown"] == 0
    assert figures["markers"]["used"] >= 15
    assert figures["windows"] - figures["windows_incomplete"] >= 10
    health = json.loads((tmp_path / "health.json").read_text())
    told = {clock["stream"]: clock for clock in health["clocks"]}
    assert set(told) == {"rtdecode-spikes", "rtdecode-stimuli"}
    for clock in told.values():
        assert clock["host"] == "source-host"
        # Half of what the link may add to one way is all that can be known of it.
        assert abs(clock["offset_ms"] + AHEAD_S * 1000) < 20
    assert "clock of source-host" in said


def test_time_passes(hosts):
    """The two hosts' clocks differ, or the test above would show nothing."""
    source_host, decoder_host = hosts
    ask = "import time; print(time.monotonic())"
    far, near = (
        float(
            subprocess.run(
                [*host, sys.executable, "-c", ask], check=True, capture_output=True
            ).stdout
        )
        for host in (source_host, decoder_host)
    )
    assert far - near == pytest.approx(AHEAD_S, abs=60)
    assert time.monotonic() == pytest.approx(near, abs=60)
