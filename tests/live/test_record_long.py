"""The file of a long run: written in little memory, sorted on the disk, safe where that is full."""

import io
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.record_file import bench_record_file, write_journal
from rtdecode import streams
from rtdecode.microseconds import INVALID_US
from rtdecode.record import journal as journals
from rtdecode.record.by_unit import HOUR_US, sort_by_unit
from rtdecode.record.journal import Journal, JournalReader
from rtdecode.record.nwb import write_record
from rtdecode.record.recording import Recording
from rtdecode.record.roles import SPIKES
from rtdecode.record.rows import RowStream
from rtdecode.record.share import Share
from rtdecode.session.model import Units
from tests.live.conftest import finish
from tests.live.observers import PATIENCE_S

ABOUT = {"zero_us": 0, "started_s": 1.7e9, "settings": {}, "bundle": {}, "versions": {}}
UNITS = {"ids": [7, 3], "areas": ["", ""], "depths_um": [None, None], "probes": ["", ""]}
NOT_ON_LINUX = pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")


def test_a_run_three_times_as_long_needs_no_more_memory(tmp_path):
    """All at once each row took 92 bytes. The first million fills what HDF5 keeps for itself."""
    bench_record_file((1_500_000, 4_500_000), tmp_path / "figures.json", force=False)
    short, long = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert long["rows"] >= 3 * short["rows"] - 1000
    assert long["peak_mb"] < 1.1 * short["peak_mb"]


TIMES_US = [INVALID_US, -1, 0, 1, 2, 1000, HOUR_US - 1, HOUR_US, 9 * HOUR_US]
some = st.tuples(st.sampled_from([-1, 3, 7, 11, 12]), st.sampled_from(TIMES_US))
#: The same row several times over is a count.
rows = st.lists(st.tuples(some, st.integers(1, 7)), max_size=9).map(
    lambda found: [row for row, times in found for _ in range(times)]
)
sending = st.lists(st.tuples(st.sampled_from(["spikes", "counts"]), rows), min_size=1, max_size=3)


def reference(streams):
    """Each unit's spikes in order of time, each once; a count's next is a microsecond later."""
    found = {3: set(), 7: set()}
    for role, sent in streams:
        before, place = None, 0
        for unit_id, time_us in sent:
            if unit_id < 0 or not 0 <= time_us <= 9 * HOUR_US:
                continue
            place = place + 1 if (unit_id, time_us) == before else 0
            before = unit_id, time_us
            found.setdefault(unit_id, set()).add(time_us + place * (role == "counts"))
    return {unit_id: sorted(times_us) for unit_id, times_us in found.items()}


@given(sent=sending)
def test_spikes_are_sorted_on_the_disk_as_in_memory(tmp_path_factory, sent):
    """In stretches of five rows: counts go on from one to the next."""
    journal = Journal(tmp_path_factory.mktemp("sorted") / "run.nwb.journal", ABOUT)
    for number, (role, stream) in enumerate(sent):
        key = f"{role}-{number}"
        journal.add_stream({"key": key, "role": role, "name": "s", "units": UNITS})
        samples = np.array([(unit_id, 0) for unit_id, _ in stream], np.int32).reshape(-1, 2)
        times_us = np.array([time_us for _, time_us in stream], np.int64)
        journal.rows(key, samples, times_us, 9 * HOUR_US)
    journal.close({})
    reader = JournalReader(journal.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "STRETCH_BYTES", 5 * journals.ROW.itemsize)
        rows_of = [RowStream(reader, said) for said in reader.about.streams]
        sorted_ = sort_by_unit(rows_of, io.BytesIO(), Share(1, lambda share: None))
        times_us = np.concatenate([np.empty(0, np.int64), *sorted_.stretches()])
    expected = reference(sent)
    ids = sorted_.units.ids.tolist()
    assert ids == [7, 3, *sorted({11, 12} & set(expected))]
    found = [spikes.tolist() for spikes in np.split(times_us, sorted_.offsets[1:-1])]
    assert dict(zip(ids, found, strict=True)) == expected


def in_a_child(code, *arguments):
    """What a process prints that lives to its end; its limits are its own."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import resource, sys
from pathlib import Path
from rtdecode.record.journal import JournalReader
from rtdecode.record.nwb import write_record
journal, file = JournalReader(Path(sys.argv[1])), Path(sys.argv[2])
write_record(journal, file)
size = file.stat().st_size
file.unlink()
for limit in range(0, size, size // 12):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_record(journal, file)
        raise SystemExit(f"{limit} bytes of {size} were enough")
    except OSError as error:
        assert "too large" in str(error), error
    assert list(file.parent.iterdir()) == [], limit
print("alive")
"""


@NOT_ON_LINUX
def test_a_disk_that_is_full_at_any_moment_ends_no_process(tmp_path):
    """HDF5 writing to it by itself crashes at most of them."""
    write_journal(tmp_path / "run.nwb.journal", 150_000)
    (tmp_path / "out").mkdir()
    said = in_a_child(FULL, tmp_path / "run.nwb.journal", tmp_path / "out" / "run.nwb")
    assert said == "alive\n"


REFUSED = """
import random, resource, sys
from pathlib import Path
from rtdecode.record.disk import DiskFile
rng = random.Random(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
with DiskFile(Path(sys.argv[1])) as file:
    kept = bytearray()
    for turn in range(500):
        place = rng.randrange(len(kept) + 100) if turn > 20 else len(kept)
        file.seek(place)
        if rng.random() < 0.5:
            content = rng.randbytes(rng.randrange(200))
            file.write(content)
            kept.extend(bytes(max(0, place + len(content) - len(kept))))
            kept[place : place + len(content)] = content
        else:
            assert file.read(150) == bytes(kept[place : place + 150]), turn
    try:
        file.check()
    except OSError as error:
        print(error)
"""


@NOT_ON_LINUX
def test_what_the_disk_refused_is_read_back_and_told(tmp_path):
    assert "too large" in in_a_child(REFUSED, tmp_path / "file")


def test_the_share_that_is_done_rises_to_the_whole(tmp_path):
    write_journal(tmp_path / "run.nwb.journal", 60_000)
    told = []
    write_record(JournalReader(tmp_path / "run.nwb.journal"), tmp_path / "run.nwb", told.append)
    assert told == sorted(told)
    assert told[-1] > 0.95


def test_the_recorder_tells_how_much_of_the_file_is_written(tmp_path):
    units = Units(np.array([3]), np.array([""]), np.array([np.nan]), np.array([""]))
    outlet = streams.SpikeOutlet(units, "long-spikes")
    recording = Recording(tmp_path / "run.nwb", {"settings": {}, "bundle": {}, "versions": {}})
    recording.add(SPIKES, outlet.uid, lambda: True)
    told = []
    outlet.push(np.full(5000, 3), streams.clock_us() - np.arange(5000)[::-1])
    assert recording.finish(told.append) == f"recorded {tmp_path / 'run.nwb'}"
    assert told == sorted(told)
    assert told[-1] > 0.9


def test_recovering_that_is_stopped_leaves_the_journal_alone(commands, tmp_path):
    folder = tmp_path / "run.nwb.journal"
    write_journal(folder, 3_000_000)
    about = json.loads((folder / "about.json").read_text())
    about["writer"] = {"pid": (1 << 31) - 1}
    (folder / "about.json").write_text(json.dumps(about))
    before = sorted(path.stat().st_size for path in folder.iterdir())
    recovering = commands.start("recover", folder)
    until = time.monotonic() + PATIENCE_S
    while not list(tmp_path.glob(".*.part.nwb")) and time.monotonic() < until:
        time.sleep(0.01)
    recovering.send_signal(signal.SIGINT)
    assert "stopped" in finish(recovering, code=130)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert sorted(path.stat().st_size for path in folder.iterdir()) == before
