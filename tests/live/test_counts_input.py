"""Counts at a rate as input: each lands in its sample's bin, beside spikes or alone."""

import json
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pylsl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtdecode import streams
from rtdecode.count_inlet import CountRows
from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.kernels.count_rows import MOST, expand_counts, make_count_state
from rtdecode.session import read_session
from rtdecode.windows import WindowSpec
from tests.live.conftest import finish
from tests.live.test_watchdog import PATIENCE_S, HealthWatcher, decoding

SOURCE = Path(__file__).with_name("count_source.py")
PROBE_SOURCE = Path(__file__).with_name("probe_source.py")
UNITS = np.array([7, 3, 11], np.int32)
PERIOD_US = 4_000


def rows_of(counts, stamps, room=10_000, state=None):
    """All rows of samples, pull by pull."""
    state = state or make_count_state()
    rows, row_stamps = np.zeros((room, 2), np.int32), np.zeros(room)
    told, first = [], 0
    while first < len(stamps):
        n, first = expand_counts(
            state, counts, stamps, first, UNITS, PERIOD_US / 1e6, rows, row_stamps
        )
        told += [
            (*row, stamp) for row, stamp in zip(rows[:n].tolist(), row_stamps[:n], strict=True)
        ]
    return told, state


whole = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=1, max_size=30).map(
    np.array
)


# The word of the sample before a window's end comes half a period after it: two
# milliseconds early for the 25th, so that the 26th closes the window.
@example(np.zeros((25, 3), int), np.int16, 125)
@example(np.zeros((26, 3), int), np.int16, 125)
@given(whole, st.sampled_from([np.int16, np.float32]), st.integers(125, 400))
def test_counts_in_a_window_are_the_sums_of_its_samples(samples, dtype, room):
    times_us = 1_000_000 + PERIOD_US * np.arange(len(samples))
    rows, _ = rows_of(samples.astype(dtype), times_us / 1e6, room)
    engine = Engine(UNITS.astype(np.int64), WindowSpec(0, 100_000, 20_000), lambda counts: counts)
    stamps_us = np.rint(np.array([row[2] for row in rows]) * 1e6).astype(np.int64)
    engine.take(0, np.array([row[:2] for row in rows], np.int32), stamps_us, len(rows), 2**60, 0)
    engine.mark(1_000_000)
    (decision,) = engine.step(2**50)
    expected = np.zeros((5, 3), int)
    np.add.at(expected, np.minimum(np.arange(len(samples)) // 5, 4), samples)
    expected[4] = samples[20:25].sum(axis=0)
    np.testing.assert_array_equal(decision.counts, expected)
    assert engine.totals["on_time"] == samples.sum()
    assert engine.totals["lost"] == engine.totals["malformed"] == 0
    assert decision.by_watermark == (times_us[-1] + PERIOD_US // 2 >= 1_100_000)


@pytest.mark.parametrize("nonsense", [-1, 0.5, np.nan, np.inf, MOST + 1, 1e30, -np.inf])
def test_what_is_no_count_is_malformed_and_alone(nonsense):
    counts = np.array([[2, nonsense, 1]], np.float32)
    rows, _ = rows_of(counts, np.array([1.0]))
    assert [row[0] for row in rows] == [7, 7, -2, 11, -1]


def test_a_sample_that_fits_no_pull_is_malformed_and_does_not_stall():
    rows, _ = rows_of(np.array([[900, 1, 0], [1, 1, 1]], np.int16), np.array([1.0, 1.004]), 100)
    assert [row[0] for row in rows] == [-2, -2, -1, 7, 3, 11, -1]


def test_samples_that_are_missing_are_counted_and_show_as_lost_rows():
    stamps = np.array([1.0, 1.004, 1.020, 1.0241])
    rows, state = rows_of(np.ones((4, 3), np.int16), stamps)
    assert state.tally.tolist() == [4, 3]
    sequence = [row[1] for row in rows]
    assert np.diff(sequence).tolist() == [1] * 7 + [4] + [1] * 7
    # A watermark lies half a period after its sample: every sample before it has come.
    marks = [row[2] for row in rows if row[0] == -1]
    np.testing.assert_allclose(marks, stamps + 0.002)


def outlet_of(name, labels, form=pylsl.cf_int16, rate=250.0):
    info = pylsl.StreamInfo(name, "Whatever", len(labels), rate, form, name)
    channels = info.desc().append_child("channels")
    for label in labels:
        channels.append_child("channel").append_child_value("label", label)
    return pylsl.StreamOutlet(info)


def open_counts(name):
    found = streams.find(name, streams.COUNT_FORMAT, PATIENCE_S)
    return CountRows(found)


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        (["1001572868", "4"], [1001572868, 4]),
        (["unit 12", "ch3"], [12, 3]),
        (["e1u2 ", "e2-7#"], [2, 7]),
    ],
)
def test_a_label_ends_with_its_units_id(labels, ids):
    outlet = outlet_of("labelled", labels)
    assert open_counts("labelled").units().ids.tolist() == ids
    del outlet


@pytest.mark.parametrize(
    ("labels", "form", "rate", "said"),
    [
        (["a", "b2"], pylsl.cf_int16, 250.0, "ends with a number of its own"),
        (["u2", "v4000000000"], pylsl.cf_int16, 250.0, "ends with a number of its own"),
        (["u2", "v12345678901"], pylsl.cf_int16, 250.0, "ends with a number of its own"),
        (["u2", "v2"], pylsl.cf_int16, 250.0, "ends with a number of its own"),
        (["u2"], pylsl.cf_int16, 0.0, "at a regular rate"),
        (["u2"], pylsl.cf_double64, 100.0, "int16 or float32"),
    ],
)
def test_counts_that_cannot_be_are_refused(labels, form, rate, said):
    outlet = outlet_of("refused", labels, form, rate)
    with pytest.raises(UserError, match=said):
        open_counts("refused")
    del outlet


@pytest.mark.parametrize(
    ("dtype", "options"), [("int16", []), ("float32", ["gap"]), ("int16", ["half"])]
)
def test_counts_live_are_the_samples_bit_for_bit(commands, bundle, tmp_path, dtype, options):
    sent_file, spikes = tmp_path / "sent.npz", []
    source = commands.start_python(SOURCE, bundle, dtype, sent_file, *options, stdin=-1)
    if "half" in options:
        commands.start_python(PROBE_SOURCE, bundle, "b", 1)
        spikes = ["--spikes", "probe-b"]
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--counts", "the-counts", *spikes, *files)
    health = HealthWatcher()
    said, _ = health.until(decoding(8))
    assert [stream["name"] for stream in said["streams"]][-1] == "the-counts"
    decoder.send_signal(signal.SIGINT)
    finish(decoder)
    source.stdin.close()
    source.stdin = None
    wait_for_file(sent_file)
    with np.load(sent_file) as sent, np.load(tmp_path / "live.npz") as live:
        own = np.isin(live["unit_ids"], sent["ids"])
        assert own.sum() == len(sent["ids"]) == (len(own) + 1) // 2 if spikes else own.all()
        whole = live["complete"]
        assert whole.sum() >= 5
        for onset_us, counts in zip(live["onset_us"][whole], live["counts"][whole], strict=True):
            bins = (sent["times_us"] - onset_us) // 25_000
            for number in range(10):
                expected = sent["counts"][bins == number].sum(axis=0)
                np.testing.assert_array_equal(counts[number, own], expected)
        assert live["counts"][:, :, own].sum() > 100
        assert not spikes or live["counts"][:, :, ~own].sum() > 100
    figures = json.loads((tmp_path / "live.json").read_text())
    assert figures["spikes"]["lost"] == (3 if "gap" in options else 0)
    assert figures["spikes"]["malformed"] == figures["spikes"]["duplicate"] == 0


def wait_for_file(path):
    until = time.monotonic() + PATIENCE_S
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)


@pytest.mark.parametrize("beside_spikes", [False, True])
def test_a_record_of_counts_decodes_the_same_again(commands, bundle, tmp_path, beside_spikes):
    spikes, half = [], []
    if beside_spikes:
        commands.start_python(PROBE_SOURCE, bundle, "b", 1)
        spikes, half = ["--spikes", "probe-b"], ["half"]
    sent_file, record = tmp_path / "sent.npz", tmp_path / "run.nwb"
    source = commands.start_python(SOURCE, bundle, "int16", sent_file, "gap", *half, stdin=-1)
    streams_heard = ["--counts", "the-counts", *spikes]
    files = ["--record", record, "--posteriors", tmp_path / "live.npz"]
    decoder = commands.start("decode", bundle, *streams_heard, *files)
    HealthWatcher().until(decoding(8))
    decoder.send_signal(signal.SIGINT)
    assert f"recorded {record}" in finish(decoder).replace("\n", "")
    source.stdin.close()
    source.stdin = None
    wait_for_file(sent_file)

    again = ["--posteriors", tmp_path / "again.npz", "--json", tmp_path / "again.json"]
    commands.run("decode", bundle, "--session", record, *again)
    with np.load(tmp_path / "live.npz") as live, np.load(tmp_path / "again.npz") as found:
        for name in ("counts", "probabilities", "complete"):
            np.testing.assert_array_equal(found[name], live[name])
        n = len(live["onset_us"])
        assert live["complete"].any()
        assert not live["complete"].all(), "three samples are missing"
    figures = json.loads((tmp_path / "again.json").read_text())
    assert figures["as_recorded"] == {"equal": n, "of": n, "other_bundle": 0}
    assert_a_session_of_the_counts(record, sent_file)


def assert_a_session_of_the_counts(record, sent_file):
    """A count of n stands as n spikes, a microsecond apart from its sample on."""
    session = read_session(record)
    with np.load(sent_file) as sent:
        session = session.take_units(np.flatnonzero(np.isin(session.units.ids, sent["ids"])))
        low_us, high_us = session.spike_times_us.min(), session.spike_times_us.max() - PERIOD_US
        for column, unit_id in enumerate(sent["ids"].tolist()):
            (row,) = np.flatnonzero(session.units.ids == unit_id)
            times_us = np.repeat(sent["times_us"] - zero_us(record), sent["counts"][:, column])
            told_us = times_us + np.arange(len(times_us)) - np.searchsorted(times_us, times_us)
            told_us = told_us[(told_us >= low_us) & (told_us < high_us)]
            found_us = session.spikes_of(int(row))
            np.testing.assert_array_equal(found_us[found_us < high_us], told_us)


def zero_us(record):
    """The record's zero, LSL clock."""
    with h5py.File(record) as file:
        return json.loads(file["general/notes"][()])["zero_us"]
