"""Bad input on the command line: one line that helps, code 2, nothing overwritten."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pylsl
import pytest

from offline.train import train_bundle
from rtdecode import cli, streams
from rtdecode.session import read_session, write_session
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import make_session, tuned_session

# What is not refused would wait for streams for ever.
pytestmark = pytest.mark.timeout(60)

TASK = "drifting_gratings.orientation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A session, a bundle, and things that are neither."""
    folder = tmp_path_factory.mktemp("cli")
    session = tuned_session(trials=10)
    write_session(session, folder / "s.nwb")
    (folder / "text.nwb").write_text("no NWB at all\n")
    with h5py.File(folder / "plain.nwb", "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(folder / "nothing.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
    other = {unit: [1_000_000, 2_000_000, 3_000_000] for unit in (1, 2)}
    table = {"start_us": [0, 1_000_000] * 3, "orientation": [0.0, 90.0] * 3}
    write_session(make_session({"drifting_gratings": table}, other), folder / "other.nwb")
    train_bundle(session, TASK, "lda", WindowSpec.parse("0:150:50"), folder / "b.pt")
    good = (folder / "b.pt").read_bytes()
    (folder / "cut.pt").write_bytes(good[: len(good) // 2])
    flipped = bytearray(good)
    with zipfile.ZipFile(folder / "b.pt") as archive:
        weights = max(archive.infolist(), key=lambda entry: entry.file_size)
    flipped[weights.header_offset + weights.file_size // 2] ^= 0xFF
    (folder / "flipped.pt").write_bytes(flipped)
    (folder / "text.pt").write_text("no bundle at all\n")
    (folder / "mine").write_bytes(b"mine")
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """The command line in this process, in the folder: exit code and standard error."""

    def run(*arguments):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["rtdecode", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return run


def contents(folder):
    """Every file and its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


TRAIN = ("--task", TASK, "--model", "lda", "--out", "new.pt")
BAD = [
    (("train", "absent.nwb", *TRAIN), "there is none"),
    (("train", "text.nwb", *TRAIN), "expected an NWB"),
    (("train", "plain.nwb", *TRAIN), "nwb_version"),
    (("train", "nothing.nwb", *TRAIN), "units"),
    (("train", "s.nwb", "--task", "scenes.frame", "--out", "new.pt"), "drifting_gratings"),
    (("train", "s.nwb", "--task", "drifting_gratings.hue", "--out", "new.pt"), "orientation"),
    (("train", "s.nwb", "--task", "gratings", "--out", "new.pt"), "TABLE.COLUMN"),
    (("train", "s.nwb", *TRAIN, "--model", "oracle"), "oracle"),
    (("train", "s.nwb", *TRAIN, "--window", "0-100"), "START:STOP:BIN"),
    (("train", "s.nwb", *TRAIN, "--window", "0:100:30"), "whole, positive number of bins"),
    (("train", "s.nwb", *TRAIN, "--window", "100:0:10"), "whole, positive number of bins"),
    (("train", "s.nwb", *TRAIN, "--window", "0:nan:10"), "START:STOP:BIN"),
    (("train", "s.nwb", "--task", TASK, "--out", "mine"), "--force"),
    (("train", "s.nwb", *TRAIN, "--json", "mine"), "--force"),
    (("train", "s.nwb", "--task", TASK, "--out", "no/where.pt"), "make it first"),
    (("convert", "s.nwb", "new.txt"), "ends in .nwb"),
    (("transfer", "b.pt", "s.nwb", "--out", "new.pt", "--trials-per-class", "0"), "1 or more"),
    (("decode", "b.pt", "--record", "new.txt"), "ends in .nwb"),
    (("decode", "absent.pt"), "found none"),
    (("decode", "text.pt"), "rtdecode bundle"),
    (("decode", "cut.pt"), "rtdecode bundle"),
    (("decode", "flipped.pt"), "damaged"),
    (("decode", "s.nwb", "--session", "s.nwb"), "rtdecode bundle"),
    (("decode", "b.pt", "--session", "text.nwb"), "expected an NWB"),
    (("decode", "b.pt", "--session", "other.nwb"), "expects 24 units, found 0"),
    (("decode", "b.pt", "--session", "s.nwb", "--json", "mine"), "--force"),
    (("decode", "b.pt", "--session", "s.nwb", "--posteriors", "mine"), "--force"),
    (("decode", "b.pt", "--session", "s.nwb", "--json", "no/where.json"), "make it first"),
    (("decode", "b.pt", "--session", "s.nwb", "--start", "nan"), "seconds"),
    (("decode", "b.pt", "--lateness", "nan"), "milliseconds"),
    (("decode", "b.pt", "--lateness", "-1"), "milliseconds"),
    (("view", "--snapshot", "new.txt"), "ends in .png"),
    (("view", "--snapshot", "mine"), "--force"),
    (("replay", "text.nwb"), "expected an NWB"),
    (("replay", "s.nwb", "--start", "9000"), "found none"),
    (("replay", "s.nwb", "--start", "5", "--stop", "2"), "found none"),
    (("replay", "s.nwb", "--tables", "scenes"), "drifting_gratings"),
    (("replay", "s.nwb", "--wait", "godot"), "godot"),
    (("replay", "s.nwb", "--speed", "inf"), "speed"),
]
# Linux lets nobody make a file there, not even root.
if Path("/proc/self").is_dir():
    BAD += [
        (("train", "s.nwb", "--task", TASK, "--out", "/proc/where.pt"), "name another folder"),
        (("convert", "s.nwb", "/proc/new.nwb"), "name another folder"),
        (("inspect", "s.nwb", "--report", "/proc/new"), "cannot make the folder"),
        (("simulate", "/proc/new", "--profile", "small"), "cannot make the folder"),
        (("evaluate", "s.nwb", "--task", TASK, "--report", "/proc/new"), "cannot make the folder"),
        (("demo", "--session", "s.nwb", "--out", "/proc/new"), "cannot make the folder"),
        (("decode", "b.pt", "--record", "/proc/new.nwb"), "name another folder"),
        (("view", "--snapshot", "/proc/new.png"), "name another folder"),
    ]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_is_one_line_and_harms_nothing(run, folder, arguments, says):
    before = contents(folder)
    code, said = run(*arguments)
    assert code == 2
    (line,) = said.strip().splitlines()
    assert line.startswith("rtdecode: ")
    assert says in line
    assert contents(folder) == before


def test_with_force_a_file_is_written_over(run, folder):
    copy = folder / "copy.pt"
    copy.write_bytes(b"old")
    monkey_code, _ = run("train", "s.nwb", "--task", TASK, "--model", "lda",
                         "--window", "0:150:50", "--out", "copy.pt", "--force")  # fmt: skip
    assert monkey_code == 0
    assert len(copy.read_bytes()) > 1000
    copy.unlink()


def foreign(name, kind, channels, form):
    """A stream of somebody else's."""
    info = pylsl.StreamInfo(name, kind, channels, 0, form, f"source of {name}")
    return [pylsl.StreamOutlet(info)]


def strangers(name):
    """Spikes of units that the bundle does not know."""
    return [streams.SpikeOutlet(make_session({}, {1: [5], 2: [6]}).units, name)]


def twins(name):
    """Two sources of one name."""
    return [streams.SpikeOutlet(tuned_session(trials=4).units, name) for _ in range(2)]


WRONG = {
    "type": (lambda n: foreign(n, "EEG", 2, pylsl.cf_int32), "'SpikeEvents' and 2 int32 channels"),
    "channels": (lambda n: foreign(n, "SpikeEvents", 5, pylsl.cf_int32), "5 x int32"),
    "format": (lambda n: foreign(n, "SpikeEvents", 2, pylsl.cf_double64), "2 x double64"),
    "units": (strangers, "expects 24 units, found 0"),
    "twins": (twins, "expected one stream named 'cli-twins', found 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_stream_that_cannot_be_decoded_ends_the_decoder(run, folder, case):
    make, says = WRONG[case]
    name = f"cli-{case}"
    outlets = make(name)
    before = contents(folder)
    code, said = run("decode", "b.pt", "--spikes", name, "--json", "new.json", "--once")
    *states, line = said.strip().splitlines()
    assert code == 2
    assert states == [f"waiting: waiting for a stream {name}"]
    assert line.startswith("rtdecode: ")
    assert says in line
    assert contents(folder) == before
    del outlets


@pytest.mark.parametrize("arguments", [("train", "text.nwb", *TRAIN), ("decode", "cut.pt")])
def test_as_a_process_too(folder, arguments):
    ran = subprocess.run(
        [sys.executable, "-m", "rtdecode.cli", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert len(ran.stderr.strip().splitlines()) == 1


def test_ctrl_c_is_told(run, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("rtdecode.session.inspect.run_inspect", interrupt)
    assert run("inspect", "s.nwb") == (130, "rtdecode: stopped\n")


def test_windows_that_trained_the_bundle_are_told_and_can_be_left_out(run):
    code, said = run("decode", "b.pt", "--session", "s.nwb")
    assert code == 0
    start = re.search(r"^24 of 40 windows .* --start ([\d.]+) leaves them out$", said, re.MULTILINE)
    code, said = run("decode", "b.pt", "--session", "s.nwb", "--start", start[1])
    assert (code, said.strip()) == (0, "")


def test_sessions_are_read_where_they_lie_and_left_alone(run, folder):
    before = (folder / "s.nwb").read_bytes()
    code, _ = run("decode", "b.pt", "--session", "s.nwb")
    assert code == 0
    assert (folder / "s.nwb").read_bytes() == before
    assert len(read_session(folder / "s.nwb").units) == 24
