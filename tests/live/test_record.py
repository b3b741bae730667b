"""A run and its record: decoded again bit for bit, read by others, and what a kill or a full disk
leaves of it."""

import json
import signal
import sys
import time

import numpy as np
import psutil
import pytest

from rtdecode import streams
from rtdecode.record.journal import ROW, JournalReader, journal_of
from rtdecode.record.read import read_record
from rtdecode.record.recording import Recording
from rtdecode.session import read_session
from rtdecode.session.model import Units
from rtdecode.tasks import resolve_task
from tests.live.conftest import finish
from tests.live.observers import PATIENCE_S, SEEN_S, Rig, seconds_between
from tests.live.test_online_is_offline import SHUFFLED_SOURCE, assert_equal_bit_for_bit, read

MOST_LOST_S = 1.0  # what is promised


@pytest.fixture(scope="module")
def stretch(session_file):
    """Start and stop, seconds, about the last 40 gratings."""
    onsets = resolve_task(read_session(session_file), "static-gratings-orientation").onsets_us
    return onsets[-40] / 1e6 - 0.3, onsets[-1] / 1e6 + 0.5


def decode_again(commands, bundle, record, folder):
    """The record on the virtual clock: what it gives, and its figures."""
    files = ["--posteriors", folder / "again.npz", "--json", folder / "again.json"]
    commands.run("decode", bundle, "--session", record, *files)
    return read(folder / "again.npz"), json.loads((folder / "again.json").read_text())


@pytest.fixture(scope="module")
def replayed(session_file, bundle, stretch, tmp_path_factory):
    """A replay, decoded and recorded: where the files lie."""
    from tests.live.conftest import Commands

    folder, commands = tmp_path_factory.mktemp("replayed"), Commands()
    live = ["--record", folder / "run.nwb", "--posteriors", folder / "live.npz"]
    for said in ("id=M0412", "species=Mus musculus", "sex=U", "age=P90D"):
        live += ["-o", f"subject.{said}"]
    try:
        decoder = commands.start("decode", bundle, "--once", "--lateness", "1000", *live)
        between = [f"--start={stretch[0]:.6f}", f"--stop={stretch[1]:.6f}"]
        finish(commands.start("replay", session_file, *between, "--wait", "decoder"))
        assert f"recorded {folder / 'run.nwb'}" in finish(decoder).replace("\n", "")
    finally:
        commands.end()
    return folder


def test_a_recorded_replay_decodes_the_same_again(commands, bundle, replayed, tmp_path):
    again, figures = decode_again(commands, bundle, replayed / "run.nwb", tmp_path)
    live = read(replayed / "live.npz")
    assert_equal_bit_for_bit(live, again)
    np.testing.assert_array_equal(live["complete"], again["complete"])
    n = len(live["onset_us"])
    assert figures["as_recorded"] == {"equal": n, "of": n, "other_bundle": 0}


def test_a_record_is_the_session_that_was_played(session_file, stretch, replayed):
    record, played = read_session(replayed / "run.nwb"), read_session(session_file)
    low_us, high_us = (round(edge * 1e6) for edge in stretch)
    rows = record.presentations["static_gratings"]
    shift_us = int(rows.start_us[0] - rows.columns["session_us"][0])
    for unit, unit_id in enumerate(played.units.ids):
        times_us = played.spikes_of(unit)
        sent = times_us[(times_us >= low_us) & (times_us < high_us)]
        (row,) = np.flatnonzero(record.units.ids == unit_id)
        np.testing.assert_array_equal(record.spikes_of(int(row)), sent + shift_us)
    np.testing.assert_array_equal(record.units.areas, played.units.areas)
    np.testing.assert_array_equal(record.units.depths_um, played.units.depths_um)
    table = played.presentations["static_gratings"]
    told = (table.start_us >= low_us) & (table.start_us < high_us)
    for name in ("orientation", "spatial_frequency", "phase"):
        np.testing.assert_array_equal(rows.columns[name], table.columns[name][told])


def test_a_record_can_train_a_decoder(commands, replayed, tmp_path):
    """And that decoder takes it for any session: windows at its presentations."""
    options = ["--task", "static_gratings.phase", "--train-share", "0.7"]
    bundle = tmp_path / "new.pt"
    commands.run("train", replayed / "run.nwb", *options, "--out", bundle)
    again, figures = decode_again(commands, bundle, replayed / "run.nwb", tmp_path)
    assert len(again["onset_us"]) > 10
    assert "as_recorded" not in figures


def test_others_read_a_record(replayed, bundle):
    from pynwb import NWBHDF5IO

    from rtdecode.bundle import file_sha256

    with NWBHDF5IO(str(replayed / "run.nwb"), "r") as file:
        nwb = file.read()
        module = nwb.processing["rtdecode"]
        about, windows = json.loads(nwb.notes), module["decisions"].data[:]
        posteriors = module["posteriors"].data[:]
        units, animal = nwb.units.to_dataframe(), nwb.subject
    assert about["bundle"]["sha256"] == file_sha256(bundle)
    assert (animal.subject_id, animal.species) == ("M0412", "Mus musculus")
    assert (animal.sex, animal.age) == ("U", "P90D")
    assert about["settings"]["engine"]["lateness_us"] == 1_000_000
    assert set(about["versions"]) >= {"python", "rtdecode", "numpy", "torch", "pylsl"}
    assert about["finished"] is True
    assert len(units) > 10
    live = read(replayed / "live.npz")
    np.testing.assert_array_equal(posteriors, live["probabilities"])
    assert [json.loads(text)["window"] for text in windows] == list(range(len(windows)))


@pytest.mark.filterwarnings("ignore")
def test_the_inspector_finds_nothing_critical(replayed):
    inspector = pytest.importorskip("nwbinspector")
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(replayed / "run.nwb")))
    assert found, "it always has something to suggest"
    worse = ("CRITICAL", "PYNWB_VALIDATION", "ERROR")
    assert [message for message in found if message.importance.name in worse] == []


@pytest.mark.parametrize(("mode", "lateness"), [("silent", "4"), ("watermarks", "50")])
def test_late_rows_and_windows_that_waited_in_vain_come_out_the_same(
    commands, session_file, bundle, stretch, tmp_path, mode, lateness
):
    """The source is 20 ms in disorder: with 4 ms of patience spikes come late."""
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    record = tmp_path / "run.nwb"
    options = ["--once", "--lateness", lateness, "--record", record]
    decoder = commands.start("decode", bundle, *options, *files)
    sent = tmp_path / "sent.json"
    finish(commands.start_python(SHUFFLED_SOURCE, session_file, *stretch, mode, sent))
    finish(decoder)
    again, figures = decode_again(commands, bundle, record, tmp_path)
    live = read(tmp_path / "live.npz")
    assert_equal_bit_for_bit(live, again)
    np.testing.assert_array_equal(live["complete"], again["complete"])
    n = len(live["onset_us"])
    assert figures["as_recorded"] == {"equal": n, "of": n, "other_bundle": 0}
    late = json.loads((tmp_path / "live.json").read_text())["spikes"]["late"]
    assert (late > 0) == (mode == "silent")
    assert live["complete"].any() == (mode == "watermarks")


def test_two_probes_are_one_record(commands, session_file, bundle, stretch, tmp_path):
    record, live = tmp_path / "run.nwb", tmp_path / "live.npz"
    options = ["--once", "--lateness", "1000", "--spikes", "all", "--record", record]
    decoder = commands.start("decode", bundle, *options, "--posteriors", live)
    between = [f"--start={stretch[0]:.6f}", f"--stop={stretch[1]:.6f}", "--by-probe"]
    finish(commands.start("replay", session_file, *between, "--wait", "decoder"))
    finish(decoder)
    again, figures = decode_again(commands, bundle, record, tmp_path)
    assert_equal_bit_for_bit(read(live), again)
    n = len(again["onset_us"])
    assert figures["as_recorded"] == {"equal": n, "of": n, "other_bundle": 0}
    assert len(read_record(record).rows) == 2


@pytest.fixture
def recorded_rig(commands, go_bundle, tmp_path):
    """A decoder at work that records; its recorder, and where."""
    record = tmp_path / "run.nwb"
    rig = Rig(commands, go_bundle, f"record.file={record}")
    rig.heard.until(streams.DECISIONS, lambda said: said["window"] >= 3)
    return rig, recorder_of(rig.decoder), record


def recorder_of(decoder):
    """The process that records for a decoder."""
    children = psutil.Process(decoder.pid).children()
    (found,) = [child for child in children if "rtdecode.record.recorder" in child.cmdline()]
    return found


def stop(rig):
    """End a decoder as a user does."""
    rig.decoder.send_signal(signal.SIGINT)
    return finish(rig.decoder)


def test_a_killed_recorder_is_told_and_leaves_all_but_the_last_second(
    commands, recorded_rig, go_bundle, tmp_path
):
    rig, recorder, record = recorded_rig
    began_us = rig.fires()
    killed_us = streams.clock_us()
    recorder.kill()
    told = rig.heard.health(lambda said: said["record"]["state"] == "failed", killed_us)
    assert seconds_between(killed_us, told) < SEEN_S
    assert "rtdecode recover" in told["record"]["message"]
    assert "not recording" in told["message"]
    assert told["trigger"]["mode"] == "disarmed"
    assert rig.heard.firings(told["at_us"]) == []
    after = rig.heard.health(lambda said: said["windows"] > told["windows"], killed_us)
    assert after["state"] == "DECODING"
    assert "not recording" in stop(rig)
    assert not record.exists()
    commands.run("recover", journal_of(record))
    assert not journal_of(record).exists()
    assert last_row_us(record) > killed_us - MOST_LOST_S * 1e6 > began_us - MOST_LOST_S * 1e6
    figures = decode_again(commands, go_bundle, record, tmp_path)[1]
    assert figures["as_recorded"]["equal"] == figures["as_recorded"]["of"] >= 3


def last_row_us(record):
    """When the last row of a record came, LSL clock."""
    found = read_record(record)
    return int(found.rows[0].arrival_us[-1]) + found.zero_us


def test_of_a_killed_decoder_the_recorder_finishes_the_record(
    commands, recorded_rig, go_bundle, tmp_path
):
    rig, recorder, record = recorded_rig
    rig.decoder.kill()
    killed_us = streams.clock_us()
    psutil.wait_procs([recorder], PATIENCE_S)
    assert not journal_of(record).exists()
    assert last_row_us(record) > killed_us - MOST_LOST_S * 1e6
    rig.heard.listen()
    heard = [said["window"] for said in rig.heard.said[streams.DECISIONS]]
    kept = [decision.window for decision in read_record(record).decisions]
    assert kept[-1] == heard[-1]
    figures = decode_again(commands, go_bundle, record, tmp_path)[1]
    assert figures["as_recorded"]["equal"] == figures["as_recorded"]["of"] == len(kept)


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_full_disk_is_told_disarms_and_leaves_what_was_written(
    commands, recorded_rig, go_bundle, tmp_path
):
    import resource

    rig, recorder, record = recorded_rig
    rig.fires()
    rows = journal_of(record) / "spikes-4.rows"
    assert rows.is_file(), list(journal_of(record).iterdir())
    full = rows.stat().st_size + 5000
    full_us = streams.clock_us()
    resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (full, full))
    told = rig.heard.health(lambda said: said["record"]["state"] == "failed", full_us)
    assert "takes no more" in told["record"]["message"]
    *_, last = JournalReader(journal_of(record)).rows("spikes-4")
    last_us = int(last["arrival_us"][-1])
    assert seconds_between(last_us, told) < SEEN_S
    assert told["trigger"]["mode"] == "disarmed"
    assert rig.heard.firings(told["at_us"]) == []
    rig.heard.health(lambda said: said["windows"] > told["windows"] + 3, full_us)
    assert full - ROW.itemsize * 500 < rows.stat().st_size <= full
    assert rows.stat().st_size % ROW.itemsize == 0, "no half row"
    stop(rig)
    assert not record.exists()
    commands.run("recover", journal_of(record))
    figures = decode_again(commands, go_bundle, record, tmp_path)[1]
    assert figures["as_recorded"]["equal"] == figures["as_recorded"]["of"] >= 3


def test_a_recorder_that_is_ended_says_so_while_the_run_goes_on(recorded_rig):
    rig, recorder, record = recorded_rig
    rig.fires()
    ended_us = streams.clock_us()
    recorder.terminate()
    told = rig.heard.health(lambda said: "recorder was ended" in said["message"], ended_us)
    assert told["record"]["state"] == "written"
    assert told["trigger"]["mode"] == "disarmed"
    assert len(read_record(record).decisions) >= 3
    assert "the recorder was ended" in stop(rig).replace("\n", " ")


def test_a_record_of_a_run_that_heard_nothing_is_none(commands, go_bundle, tmp_path):
    record = tmp_path / "run.nwb"
    decoder = commands.start("decode", go_bundle, "--record", record)
    until = time.monotonic() + PATIENCE_S
    while not journal_of(record).exists() and time.monotonic() < until:
        time.sleep(0.05)
    decoder.send_signal(signal.SIGINT)
    assert "nothing to record" in finish(decoder)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_leaves_no_record(commands, go_bundle, tmp_path):
    """Though the recorder has heard rows of the stream that lacks the bundle's units."""
    units = Units(np.array([4711]), np.array([""]), np.array([np.nan]), np.array([""]))
    outlet = streams.SpikeOutlet(units, source_id="other-rig")
    decoder = commands.start("decode", go_bundle, "--record", tmp_path / "run.nwb")
    until = time.monotonic() + PATIENCE_S
    while decoder.poll() is None and time.monotonic() < until:
        outlet.push(np.array([4711]), np.array([streams.clock_us()]))
        time.sleep(0.001)
    assert "the bundle expects" in finish(decoder, code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_live_journal_is_not_recovered_and_no_file_is_written_over(
    commands, recorded_rig, go_bundle, tmp_path
):
    rig, _, record = recorded_rig
    assert "being written" in commands.run("recover", journal_of(record), code=2)
    again = commands.run("decode", go_bundle, "--record", record, code=2)
    assert "rtdecode recover" in again
    forced = commands.run("decode", go_bundle, "--record", record, "--force", code=2)
    assert "being written" in forced
    stop(rig)
    before = record.read_bytes()
    assert "--force" in commands.run("decode", go_bundle, "--record", record, code=2)
    assert record.read_bytes() == before


def test_a_failure_in_one_breath_with_a_stream_that_opened_is_told(tmp_path):
    """As where the disk is full at the first row: else the trigger would stay armed."""
    recording = Recording(tmp_path / "run.nwb", {"settings": {}, "bundle": {}, "versions": {}})

    def meanwhile():
        recording._take({"opened": "uid"})
        recording._take({"failed": "the disk is full"})
        return True

    recording.add("health", "uid", meanwhile)
    recording._process.kill()
    assert recording.news() == "not recording: the disk is full"
    assert recording.finish() == "the disk is full"
