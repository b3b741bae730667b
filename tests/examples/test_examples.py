"""Every example runs, and what it sends is what a decoder reads."""

import json
import re
import socket
import time
import tomllib

import numpy as np
import pytest
import zmq

from replay.open_ephys import IS_TTL
from rtdecode import streams
from rtdecode.count_inlet import CountRows
from rtdecode.markers import Kind, read_marker
from rtdecode.tasks import label_rule
from tests.live.conftest import finish
from tests.live.test_watchdog import PATIENCE_S

RUN_HERE = {"send_spikes.py", "send_counts.py", "send_markers.py", "ttl_loopback.py"}


def test_every_example_is_run_by_a_test(repo):
    found = {path.name for path in (repo / "examples").glob("*.py")}
    elsewhere = {
        name
        for name in found - RUN_HERE
        if any(name in path.read_text() for path in (repo / "tests").rglob("test_*.py")
               if path.parent.name != "examples")
    }  # fmt: skip
    assert found >= RUN_HERE
    assert found == RUN_HERE | elsewhere
    for path in (repo / "examples").glob("*.toml"):
        assert tomllib.loads(path.read_text())


def opened(inlet):
    inlet.open()
    return inlet


def test_send_spikes_sends_what_the_wire_wants(commands, repo):
    example = commands.start_python(repo / "examples" / "send_spikes.py", "--seconds", 20)
    found = streams.find(streams.SPIKES, streams.SPIKE_FORMAT, PATIENCE_S)
    inlet = opened(streams.SpikeInlet(found))
    assert inlet.units().ids.tolist() == list(range(40))
    rows, stamps, until = [], [], time.monotonic() + PATIENCE_S
    while len(rows) < 1000 and time.monotonic() < until:
        samples, times = inlet.pull(0.1)
        rows += samples.tolist()
        stamps += times.tolist()
    rows, stamps = np.array(rows), np.array(stamps)
    assert (np.diff(rows[:, 1]) == 1).all()
    is_spike = rows[:, 0] >= 0
    assert is_spike.any()
    assert (~is_spike).any()
    marks = np.maximum.accumulate(np.where(is_spike, 0, stamps))
    assert (stamps[is_spike] >= marks[is_spike]).all()
    finish(example)


def test_send_counts_is_read_as_rows(commands, repo):
    example = commands.start_python(repo / "examples" / "send_counts.py", "--seconds", 20)
    found = streams.find("crossings", streams.COUNT_FORMAT, PATIENCE_S)
    inlet = opened(CountRows(found))
    assert inlet.units().ids.tolist() == list(range(96))
    kinds, until = set(), time.monotonic() + PATIENCE_S
    while not {True, False} <= kinds and time.monotonic() < until:
        samples, _ = inlet.pull(0.1)
        assert (samples[:, 0] >= -1).all()
        kinds |= set((samples[:, 0] >= 0).tolist())
    assert kinds == {True, False}
    finish(example)


@pytest.mark.parametrize("form", ["plain", "json", "pairs"])
def test_send_markers_is_understood_in_every_form(commands, repo, form):
    example = commands.start_python(
        repo / "examples" / "send_markers.py", "--trials", 4, "--wait", "--form", form
    )
    found = streams.find(streams.STIMULI, streams.TEXT_FORMAT, PATIENCE_S)
    inlet, said, until = opened(streams.TextInlet(found)), [], time.monotonic() + PATIENCE_S
    while len(said) < 4 and time.monotonic() < until:
        said += inlet.pull(0.1)
    rule, classes = label_rule("drifting_gratings.orientation"), {"0", "45", "90", "135"}
    markers = [read_marker(text, rule, classes) for text, _ in said]
    assert [marker.label for marker in markers] == ["0", "45", "90", "135"]
    assert {marker.kind for marker in markers} == {Kind.USED}
    finish(example)


def test_ttl_loopback_tells_the_delay_between_the_lines(commands, repo):
    publisher = zmq.Context.instance().socket(zmq.XPUB)
    publisher.bind("tcp://127.0.0.1:*")
    address = publisher.getsockopt_string(zmq.LAST_ENDPOINT)
    example = commands.start_python(
        repo / "examples" / "ttl_loopback.py", "--address", address, "--onset-line", 0,
        "--answer-line", 1, "--answers", 20,
    )  # fmt: skip
    assert publisher.poll(PATIENCE_S * 1000)
    publisher.recv()
    for trial in range(20):
        # An answer 4 ms after its onset, 120 samples of 30 kHz; a rise that no onset asked for.
        for line, sample in [(0, 0), (1, 120), (1, 500)]:
            for state, later in [(True, 0), (False, 30)]:
                publisher.send_multipart([IS_TTL, edge(line, 9000 * trial + sample + later, state)])
    told, said = example.communicate(timeout=PATIENCE_S)
    assert example.returncode == 0, said
    assert re.match(r"20 answers: p50 4\.00 .* max 4\.00 ms", told)
    publisher.close(linger=0)


def edge(line, sample, state):
    return json.dumps(
        {
            "event_type": "ttl", "stream": "probe", "source_node": 100, "sample_rate": 30000.0,
            "channel_name": "TTL", "sample_number": sample, "line": line, "state": state,
        }
    ).encode()  # fmt: skip


def test_ttl_loopback_without_an_answer_says_where_to_look(commands, repo):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    example = commands.start_python(
        repo / "examples" / "ttl_loopback.py", "--address", address, "--onset-line", 0,
        "--answer-line", 1, "--patience-s", 0.2,
    )  # fmt: skip
    _, said = example.communicate(timeout=PATIENCE_S)
    assert example.returncode == 1
    assert "see the lines' numbers" in said
