"""The wire: what is sent comes out the same, and what does not fit is said so."""

import time

import numpy as np
import pylsl
import pytest

from rtdecode import sources, streams
from rtdecode.errors import UserError
from rtdecode.microseconds import INVALID_US
from rtdecode.session.model import Units

PATIENCE_S = 20.0


def find(name, form):
    found = streams.find(name, form, PATIENCE_S)
    assert found is not None
    return found


def pull_all(inlet, rows):
    """Rows of a spike inlet until so many have come."""
    parts, until = [], time.monotonic() + PATIENCE_S
    while sum(len(stamps) for _, stamps in parts) < rows and time.monotonic() < until:
        samples, stamps = inlet.pull(0.1)
        parts.append((samples.copy(), stamps.copy()))
    return np.concatenate([s for s, _ in parts]), np.concatenate([t for _, t in parts])


def test_spikes_units_and_stamps_make_the_round_trip():
    units = Units(
        np.array([0, 950_000_123, 2**31 - 1]),
        np.array(["VISp", "", "LGd <&>"]),
        np.array([1200.25, np.nan, 0.0]),
        np.array(["probeA", "", "prøbe"]),
    )
    about = {"session": "a mouse", "speed": "2.5"}
    outlet = streams.SpikeOutlet(units, "wire-spikes", replay=about)
    inlet = streams.SpikeInlet(find("wire-spikes", streams.SPIKE_FORMAT))
    inlet.open()
    found = inlet.units()
    np.testing.assert_array_equal(found.ids, units.ids)
    np.testing.assert_array_equal(found.areas, units.areas)
    np.testing.assert_array_equal(found.depths_um, units.depths_um)
    np.testing.assert_array_equal(found.probes, units.probes)
    assert inlet.replay() == about
    assert outlet.has_consumers()
    outlet.sequence = streams.SEQUENCE_WRAP - 2
    # Hours and weeks of uptime, microsecond by microsecond.
    hours_us, weeks_us = (base + np.arange(1000) for base in (9_876_543_210, 1_234_567_890_123))
    times_us = np.concatenate([[7], hours_us, weeks_us])
    ids = np.where(np.arange(2001) % 3, units.ids[np.arange(2001) % 3], streams.WATERMARK)
    outlet.push(ids.astype(np.int32), times_us)
    samples, stamps = pull_all(inlet, 2001)
    np.testing.assert_array_equal([streams.microseconds(s) for s in stamps], times_us)
    np.testing.assert_array_equal(samples[:, 0], ids)
    np.testing.assert_array_equal(samples[:4, 1], [2**31 - 2, 2**31 - 1, 0, 1])


def test_text_and_posteriors_make_the_round_trip():
    text, classes = streams.TextOutlet("wire-text"), ["0", "natürlich", "a b"]
    posterior = streams.PosteriorOutlet(classes, {"task": "t.c", "deadline_ms": 5.0}, "wire-p")
    text_in = streams.TextInlet(find("wire-text", streams.TEXT_FORMAT))
    posterior_in = streams.PosteriorInlet(find("wire-p", streams.POSTERIOR_FORMAT))
    text_in.open()
    posterior_in.open()
    assert posterior_in.classes() == classes
    assert posterior_in.about(["task", "deadline_ms"]) == {"task": "t.c", "deadline_ms": "5.0"}
    text.push_json({"label": "ü", "n": 1}, 9_000_000_000_001)
    text.push("plain", 9_000_000_000_002)
    said, until = [], time.monotonic() + PATIENCE_S
    while len(said) < 2 and time.monotonic() < until:
        said += text_in.pull(0.05)
    assert said == [('{"label":"\\u00fc","n":1}', 9_000_000_000_001), ("plain", 9_000_000_000_002)]
    sent = np.array([0.1, 0.7, 0.2], np.float32)
    posterior.push(sent, 9_000_000_000_003)
    rows, stamps = np.empty((0, 3)), np.empty(0)
    while not len(stamps) and time.monotonic() < until:
        rows, stamps = posterior_in.pull(0.05)
    assert rows.tobytes() == sent.tobytes()
    assert streams.microseconds(stamps[0]) == 9_000_000_000_003


def test_text_that_is_no_utf8_is_received_all_the_same():
    outlet = streams.TextOutlet("wire-bytes")
    inlet = streams.TextInlet(find("wire-bytes", streams.TEXT_FORMAT))
    inlet.open()
    outlet._outlet.push_sample([b"90\xff"], 5.0)
    said, until = [], time.monotonic() + PATIENCE_S
    while not said and time.monotonic() < until:
        said = inlet.pull(0.05)
    assert said == [("90\ufffd", 5_000_000)]


@pytest.mark.parametrize(("stamp", "time_us"), [(5.0000004, 5_000_000), (5.0000006, 5_000_001)])
def test_a_stamp_between_two_microseconds_is_rounded(stamp, time_us):
    assert streams.microseconds(stamp) == time_us


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf])
def test_a_stamp_that_is_no_time_is_marked(stamp):
    assert streams.microseconds(stamp) == INVALID_US


def test_a_stream_that_is_not_there_is_none():
    assert streams.find("wire-nobody", streams.TEXT_FORMAT, 0.2) is None


@pytest.mark.parametrize(
    ("kind", "channels", "form"),
    [("EEG", 2, pylsl.cf_int32), ("SpikeEvents", 3, pylsl.cf_int32),
     ("SpikeEvents", 2, pylsl.cf_float32)],
)  # fmt: skip
def test_a_stream_of_the_wrong_kind_is_told_with_what_was_found(kind, channels, form):
    info = pylsl.StreamInfo(
        "wire-wrong", kind, channels, 0, form, f"wrong-{kind}-{channels}-{form}"
    )
    outlet = pylsl.StreamOutlet(info)
    with pytest.raises(UserError) as told:
        streams.find("wire-wrong", streams.SPIKE_FORMAT, PATIENCE_S)
    said = str(told.value)
    assert "expected stream 'wire-wrong' to have type 'SpikeEvents' and 2 int32 channels" in said
    assert f"type {kind!r}, {channels} x" in said
    assert not outlet.have_consumers()


def test_two_sources_of_one_name_are_told_with_their_ids():
    outlets = [streams.TextOutlet("wire-twice", f"source-{i}") for i in range(2)]
    lookout = streams.Lookout("wire-twice", streams.TEXT_FORMAT)
    with pytest.raises(UserError, match=r"found 2: .*; stop the others$") as told:
        lookout.wait(PATIENCE_S)
    assert "source-0" in str(told.value)
    assert "source-1" in str(told.value)
    del outlets


@pytest.mark.parametrize("source_id", ["", "myuid34234"])
def test_senders_of_no_source_id_or_all_of_one_are_told_apart(source_id):
    """Both are common: the id may be left out, and examples are copied with theirs."""
    names = ["twin-comments", "twin-stimuli"]
    form = pylsl.cf_string
    outlets = [
        pylsl.StreamOutlet(pylsl.StreamInfo(name, "TwinMarkers", 1, 0, form, source_id))
        for name in names
    ]
    lookout = streams.Lookout("", streams.Format("TwinMarkers", form, 1))
    with pytest.raises(UserError, match="expected one stream of type 'TwinMarkers', found 2"):
        lookout.wait(PATIENCE_S)
    assert [stream.name for stream in lookout.found_all()] == names
    del outlets


def test_of_several_spike_streams_it_says_how_to_take_all_and_all_are_taken():
    """As decode and calibrate do, whose --spikes all is a name here."""
    none = np.array([""])
    tables = [Units(np.array([i]), none, np.array([np.nan]), none) for i in range(2)]
    outlets = [streams.SpikeOutlet(units, f"probe-{i}") for i, units in enumerate(tables)]
    found = sources.wait_for(
        "all", streams.SPIKE_FORMAT, 0.5, lambda: True, lambda found: len(found) == 2
    )
    assert [stream.name for stream in found] == ["probe-0", "probe-1"]
    with pytest.raises(UserError, match="by its name, or --spikes all where each is a probe"):
        streams.Lookout("", streams.SPIKE_FORMAT).wait(PATIENCE_S)
    del outlets


@pytest.mark.parametrize("name", ["it's", 'a "b"'])
def test_quotes_in_a_name_do_no_harm(name):
    outlet = streams.TextOutlet(name)
    assert find(name, streams.TEXT_FORMAT).name == name
    with pytest.raises(UserError, match="both kinds of quotes"):
        streams.Lookout(f"{name}'\"", streams.TEXT_FORMAT)
    del outlet
