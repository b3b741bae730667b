"""The journal cut off anywhere, markers of any kind, and what is refused before a run."""

import json
import os
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode.errors import UserError
from rtdecode.microseconds import INVALID_US
from rtdecode.record.journal import Journal, JournalReader, Text, journal_of, remove
from rtdecode.record.markers import presentations_of
from rtdecode.record.nwb import write_record
from rtdecode.record.read import is_record, read_record
from rtdecode.record.recording import check_record
from rtdecode.record.recover import recover_record
from rtdecode.session import read_session
from rtdecode.session.quality import QualityFilter
from tests.live.conftest import finish

ENGINE = {"dedup_us": 100_000, "ahead_us": 1_000_000, "retain_us": 1_000_000, "capacity": 1024}
SETTINGS = {"engine": ENGINE}
ABOUT = {"zero_us": 5_000_000, "started_s": 1.7e9, "settings": SETTINGS, "bundle": {}}
ABOUT |= {"versions": {}}
UNITS = {"ids": [4, 2], "areas": ["VISp", ""], "depths_um": [10.0, None], "probes": ["a", ""]}


def written(folder, n=50):
    """A journal of every kind of stream, as its recorder leaves it when it is killed."""
    journal = Journal(folder, ABOUT)
    journal.add_stream({"key": "spikes-0", "role": "spikes", "name": "s", "units": UNITS})
    journal.add_stream({"key": "stimuli-1", "role": "stimuli", "name": "m"})
    journal.add_stream({"key": "posterior-2", "role": "posterior", "name": "p", "classes": ["a"]})
    for i in range(n):
        samples = np.array([[4, 2 * i], [-1, 2 * i + 1]], np.int32)
        times_us = 5_000_000 + i * 1000 + np.array([0, 500])
        journal.rows("spikes-0", samples, times_us, 5_000_700 + i * 1000)
        journal.texts("stimuli-1", [(f"mark {i}\n", 5_000_000 + i)], 5_000_001 + i)
        journal.posteriors("posterior-2", np.full((1, 1), i, np.float32), np.array([i]), i)
    return journal


@given(cut=st.integers(0, 4000))
def test_a_journal_cut_off_anywhere_is_read_up_to_there(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut") / "run.nwb.journal"
    written(folder).close({})
    for file in folder.iterdir():
        if file.suffix != ".json":
            os.truncate(file, min(cut, file.stat().st_size))
    journal = JournalReader(folder)
    sequence = [number for rows in journal.rows("spikes-0") for number in rows["sequence"]]
    assert journal.n_rows("spikes-0") == min(cut // 24, 100)
    assert sequence == list(range(min(cut // 24, 100)))
    texts = [text.text for text in journal.texts("stimuli-1")]
    assert texts == [f"mark {i}\n" for i in range(len(texts))]
    line = len(b'[5000000, 5000001, "mark 0\\n"]\n')
    assert len(texts) >= min(cut // (line + 1), 50)
    posteriors = [p for records in journal.posteriors("posterior-2", 1) for p in records["p"]]
    assert np.ravel(posteriors).tolist() == list(range(min(cut // 20, 50)))


@pytest.mark.filterwarnings("ignore")
def test_the_inspector_finds_nothing_critical_in_a_record_of_spikes_and_counts(tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    folder, file = tmp_path / "run.nwb.journal", tmp_path / "run.nwb"
    journal = written(folder)
    journal.add_stream({"key": "counts-3", "role": "counts", "name": "c"})
    for i in range(50):
        samples = np.array([[7, 3 * i], [7, 3 * i + 1], [-1, 3 * i + 2]], np.int32)
        times_us = 5_000_000 + i * 1000 + np.array([0, 0, 500])
        journal.rows("counts-3", samples, times_us, 5_000_700 + i * 1000)
    for place, role in enumerate(("decisions", "triggers", "health"), start=4):
        journal.add_stream({"key": f"{role}-{place}", "role": role, "name": role})
        journal.texts(f"{role}-{place}", [("{}", 5_010_000), ("{}", 5_030_001)], 5_030_002)
    journal.close({})
    assert write_record(JournalReader(folder), file) == 250
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(file)))
    assert found, "it always has something to suggest"
    worse = ("CRITICAL", "PYNWB_VALIDATION", "ERROR")
    assert [message for message in found if message.importance.name in worse] == []


def test_a_journal_becomes_a_session(tmp_path):
    folder, file = tmp_path / "run.nwb.journal", tmp_path / "run.nwb"
    journal = written(folder)
    twice = np.array([[4, 7], [4, 8], [2, 9], [77, 10], [4, 11]], np.int32)
    stamps = np.array([5_000_000, INVALID_US, 5_000_500, 5_000_600, 9_000_000_000])
    journal.rows("spikes-0", twice, stamps, 5_100_000)
    hostile = '{"stimulus_name": "x", "what": "\\ud800\\u0000"}'
    journal.texts("stimuli-1", [(hostile, 5_100_000)], 5_100_001)
    journal.close({})
    assert write_record(JournalReader(folder), file) == 105
    session = read_session(file, quality=QualityFilter.off())
    assert session.units.ids.tolist() == [4, 2, 77], "the units told, then who merely fired"
    assert session.units.areas.tolist() == ["VISp", "", ""]
    assert session.spikes_of(0).tolist() == list(range(0, 50_000, 1000)), "each spike once"
    assert session.spikes_of(1).tolist() == [500]
    assert session.presentations["markers"].columns["label"].tolist()[:2] == ["mark 0", "mark 1"]
    assert session.presentations["x"].columns["what"].tolist() == ["?"]
    assert is_record(file)
    rows = read_record(file).rows[0]
    assert len(rows.time_us) == 105
    assert rows.time_us[-4:].tolist() == [INVALID_US, 500, 600, 8_995_000_000]
    assert rows.samples[-3:].tolist() == [[2, 9], [77, 10], [4, 11]]


def peak_of_a_record_with_a_marker_of(characters, folder):
    """Bytes that are held at most while a record of many markers is written and read."""
    journal = written(journal_of(folder / f"{characters}.nwb"))
    journal.add_stream({"key": "decisions-3", "role": "decisions", "name": "d"})
    texts = [(f"mark {i}", 5_000_000 + i) for i in range(3000)]
    journal.texts("stimuli-1", [("x" * characters, 5_000_000), *texts], 5_000_000)
    tracemalloc.start()
    record = recover_record(journal.folder)
    read_record(record)
    found = read_session(record, quality=QualityFilter.off())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.presentations["markers"]) == 3051
    return peak


def test_one_long_marker_makes_no_other_longer(tmp_path):
    """Of NumPy's text each would take as much: 600 MB a copy."""
    short, long = (peak_of_a_record_with_a_marker_of(n, tmp_path) for n in (50, 50_000))
    assert long < 20 * short


def test_an_empty_journal_is_no_record(tmp_path):
    journal = Journal(tmp_path / "run.nwb.journal", ABOUT)
    journal.add_stream({"key": "spikes-0", "role": "spikes", "name": "s", "units": UNITS})
    with pytest.raises(UserError, match="no spike row"):
        recover_record(tmp_path / "run.nwb.journal")
    assert (tmp_path / "run.nwb.journal").is_dir()


def test_recovering_takes_the_journal_away_only_when_the_record_is_whole(tmp_path):
    folder, file = tmp_path / "run.nwb.journal", tmp_path / "run.nwb"
    written(folder)
    file.write_text("mine")
    with pytest.raises(UserError, match="--force"):
        recover_record(folder)
    assert file.read_text() == "mine"
    assert recover_record(folder, force=True) == file
    assert not folder.exists()
    assert read_record(file).about["finished"] is False


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from rtdecode.cli import main
sys.argv = ["rtdecode", "recover", sys.argv[1]]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_without_room_the_journal_stays(commands, tmp_path):
    folder = tmp_path / "run.nwb.journal"
    written(folder).close({})
    about = (folder / "about.json").read_text()
    nobody = about.replace(f'"pid": {os.getpid()}', '"pid": 2147483646')
    assert nobody != about
    (folder / "about.json").write_text(nobody)
    said = finish(commands.start_python("-c", FULL_DISK, folder), code=2)
    assert "make room" in said
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "no half file"
    assert recover_record(folder).exists()


def test_what_is_no_journal_is_neither_read_nor_removed(tmp_path):
    folder = tmp_path / "photos.journal"
    folder.mkdir()
    (folder / "about.json").write_text('{"mine": 1}')
    for use in (JournalReader, remove, recover_record):
        with pytest.raises(UserError, match="journal of a record"):
            use(folder)
    assert (folder / "about.json").exists()


def test_a_record_is_refused_before_any_work_is_done(tmp_path):
    file = tmp_path / "run.nwb"
    check_record(file, force=False)
    written(journal_of(file))
    with pytest.raises(UserError, match="rtdecode recover"):
        check_record(file, force=False)
    check_record(file, force=True)
    with pytest.raises(UserError, match="rtdecode recover"):
        Journal(journal_of(file), ABOUT)
    with pytest.raises(UserError, match="no folder"):
        check_record(tmp_path / "nowhere" / "run.nwb", force=False)


def marker(onset_us, **values):
    """A marker as it is sent."""
    return Text(onset_us, onset_us, json.dumps(values))


def test_markers_become_tables_with_numbers_text_and_gaps():
    grating = {"stimulus_name": "gratings_presentations"}
    markers = [
        marker(3_000_000, **grating, orientation=90, id=4, note={"a": [1]}),
        marker(2_000_000, **grating, orientation=None, duration=0.25, on=True),
        marker(2_500_000, stimulus_name="a/b: c", frame="7"),
        marker(2_600_000, rtdecode="end"),
        marker(999_999, **grating),
        marker(INVALID_US, **grating),
        Text(2_700_000, 0, "{broken"),
        Text(2_800_000, 0, " plain "),
        Text(2_900_000, 0, "  "),
        Text(2_950_000, 0, "stimulus_name=bars; angle=45"),
    ]
    tables = presentations_of(markers, 1_000_000)
    assert set(tables) == {"gratings", "a_b_c", "markers", "bars"}
    table = tables["gratings"]
    assert table.start_us.tolist() == [1_000_000, 2_000_000]
    assert table.stop_us.tolist() == [1_250_000, 2_000_000]
    assert set(table.columns) == {"orientation", "note", "duration", "on"}
    np.testing.assert_array_equal(table.columns["orientation"], [np.nan, 90.0])
    assert table.columns["note"].tolist() == ["", '{"a": [1]}']
    assert table.columns["on"].tolist() == ["true", ""]
    assert tables["bars"].columns["angle"].tolist() == ["45"]
    assert tables["markers"].columns["label"].tolist() == ["plain"]
