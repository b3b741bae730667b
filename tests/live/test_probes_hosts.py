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
DELAY_MS, JITTER_MS, LOSS = 10, 3, 0.01
NETEM = ("delay", f"{DELAY_MS}ms", f"{JITTER_MS}ms", "loss", f"{LOSS:%}")
BAD_LINK = Path(__file__).with_name("bad_link.py")
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


ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 7777))
    while True:
        server.sendto(*server.recvfrom(100))
"""
# The median round trip of what comes back, milliseconds.
ASK = """
import socket, statistics, sys, time
trips = []
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(0.5)
    while len(trips) < 20:
        asked = time.monotonic()
        asker.sendto(b"?", (sys.argv[1], 7777))
        try:
            asker.recvfrom(100)
        except OSError:
            continue
        trips.append(time.monotonic() - asked)
print(1000 * statistics.median(trips))
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


def why_not(link):
    """Why this machine has no two hosts with such a link for us; empty if it has."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    tools = ("ip", "unshare", *(["tc"] if link == "netem" else []))
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        return f"no {', '.join(missing)} on this machine"
    name = f"rtd-probe-{os.getpid()}"
    inside = ("ip", "netns", "exec", name)
    try:
        sh("ip", "netns", "add", name)
        sh("unshare", "-u", "-T", "--monotonic", "1", "--fork", "true")
        if link == "netem":
            sh(*inside, "tc", "qdisc", "add", "dev", "lo", "root", "netem", *NETEM)
        else:
            sh(*inside, "ip", "tuntap", "add", "dev", "link", "mode", "tap")
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd[-8:])} fails: {error.stderr.decode().strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return ""


@pytest.fixture(params=["netem", "relay"])
def hosts(request, tmp_path, monkeypatch):
    """Two network namespaces and a bad link between them; commands that run in each."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    net = os.getpid() % 250
    names = [f"rtd-{net}-{side}" for side in "ab"]
    addresses = [f"10.77.{net}.{place}" for place in (1, 2)]
    config = tmp_path / "lsl.cfg"
    config.write_text(LSL_CONFIG.format(net=net, run=uuid.uuid4().hex[:12]))
    monkeypatch.setenv("LSLAPICFG", str(config))
    relay = None
    try:
        for name in names:
            sh("ip", "netns", "add", name)
        if request.param == "netem":
            link_by_netem(net, names, addresses)
        else:
            relay = link_by_relay(names, addresses)
            assert relay.stdout.readline() == "ready\n"
        clock = ("unshare", "-u", "-T", "--monotonic", str(AHEAD_S), "--fork", "sh", "-c",
                 'hostname source-host && exec "$@"', "sh")  # fmt: skip
        yield [("ip", "netns", "exec", names[0], *clock), ("ip", "netns", "exec", names[1])]
    finally:
        if relay is not None:
            relay.kill()
            relay.communicate()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def link_by_netem(net, names, addresses):
    """A pair of devices whose queues are slow and lossy."""
    sh("ip", "link", "add", f"veth{net}a", "netns", names[0], "type", "veth", "peer",
       "name", f"veth{net}b", "netns", names[1])  # fmt: skip
    for name, side, address in zip(names, "ab", addresses, strict=True):
        inside, device = ("ip", "netns", "exec", name), f"veth{net}{side}"
        sh(*inside, "ip", "addr", "add", f"{address}/24", "dev", device)
        sh(*inside, "ip", "link", "set", device, "up")
        sh(*inside, "ip", "link", "set", "lo", "up")
        sh(*inside, "ip", "route", "add", "default", "dev", device)
        sh(*inside, "tc", "qdisc", "add", "dev", device, "root", "netem", *NETEM)


def link_by_relay(names, addresses):
    """A process between two TAP devices."""
    words = [names[0], addresses[0], names[1], addresses[1], DELAY_MS, JITTER_MS, LOSS]
    command = [sys.executable, str(BAD_LINK), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


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


def test_the_two_hosts_clocks_and_link_are_as_bad_as_they_should_be(hosts):
    """Or the test above would show nothing."""
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
    echo = start(source_host, "-c", ECHO)
    try:
        ask = [*decoder_host, sys.executable, "-c", ASK, f"10.77.{os.getpid() % 250}.1"]
        told = subprocess.run(ask, check=True, capture_output=True, text=True, timeout=60).stdout
    finally:
        os.killpg(echo.pid, signal.SIGKILL)
        echo.communicate()
    assert float(told) > 1.5 * DELAY_MS
