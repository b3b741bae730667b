"""What a session holds, in numbers that can be counted by hand."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from rtdecode.errors import UserError
from rtdecode.session import Presentations, QualityFilter, Session, Units, read_session
from rtdecode.session.inspect import run_convert, run_inspect
from rtdecode.session.report_plots import response
from rtdecode.session.show import clock
from rtdecode.session.silence import silences
from rtdecode.session.summary import blocks, summarize

from .nwb_files import make_nwb, spikes

S = 1_000_000


def table(name, starts_s, length_s=0.25, **columns):
    starts = np.round(np.array(starts_s) * S).astype(np.int64)
    stops = starts + round(length_s * S)
    return Presentations(name, starts, stops, {k: np.array(v) for k, v in columns.items()})


def session(units_s, tables=(), areas=None, **metrics):
    n = len(units_s)
    units = Units(
        np.arange(n),
        np.array(areas or [""] * n),
        np.full(n, np.nan),
        np.full(n, ""),
        {name: np.array(values) for name, values in metrics.items()},
    )
    times = [np.round(np.array(unit) * S).astype(np.int64) for unit in units_s]
    return Session(
        "s",
        units,
        np.concatenate([np.empty(0, np.int64), *times]),
        np.cumsum([0, *map(len, times)]),
        {t.name: t for t in tables},
    )


def test_figures():
    recorded = session(
        [[1.0, 2.0, 11.0], [3.0], [], [4.0, 5.0]],
        [table("b", [2.0, 3.0]), table("a", [0.5])],
        areas=["VISp", "CA1", "VISp", ""],
        presence_ratio=[1.0, 1.0, 0.0, 0.5],
    )
    figures = summarize(recorded, QualityFilter()).figures()
    assert figures == {
        "units": 4,
        "units_after_filter": 2,
        "areas": {"VISp": 1, "CA1": 1},
        "spikes": 6,
        "spikes_after_filter": 4,
        "presentations": {"a": 1, "b": 2},
        "invalid_presentations": 0,
        "duration_s": 10.5,
    }
    assert list(figures["presentations"]) == ["a", "b"]  # in order of time
    unfiltered = summarize(recorded, QualityFilter.off()).figures()
    assert (unfiltered["units_after_filter"], unfiltered["spikes_after_filter"]) == (4, 6)


def test_rates_are_of_the_whole_session():
    summary = summarize(session([[0.0, 5.0, 10.0], [1.0]], areas=["A", "A"]), QualityFilter.off())
    np.testing.assert_allclose(summary.rates_hz, [0.3, 0.1])
    np.testing.assert_allclose(summary.areas[0].rate_quartiles(), [0.15, 0.2, 0.25])


def test_a_session_of_nothing():
    figures = summarize(session([[]]), QualityFilter()).figures()
    assert figures["duration_s"] == 0
    assert figures["spikes"] == 0


def test_blocks_by_column_and_by_pauses():
    numbered = table("t", [0, 1, 2, 3, 4], stimulus_block=[2.0, 2.0, 5.0, 5.0, 2.0])
    assert blocks(numbered).tolist() == [[0, 1250000], [2000000, 3250000], [4000000, 4250000]]
    paused = table("t", [0, 1, 11.24, 21.49])
    assert blocks(paused).tolist() == [[0, 11490000], [21490000, 21740000]]
    assert blocks(table("t", [])).shape == (0, 2)


def test_pauses_between_all_tables():
    tables = [table("a", [0, 1]), table("b", [5], length_s=7), table("c", [21.99, 32])]
    found = summarize(session([[1.0]], tables), QualityFilter()).pauses_us
    # From 12 to 21.99 it is less than ten seconds; from 22.24 to 32 too.
    assert found.tolist() == []
    found = summarize(session([[1.0]], [*tables[:2], table("c", [22, 32.25])]), QualityFilter())
    assert found.pauses_us.tolist() == [[12 * S, 22 * S], [22250000, 32250000]]


@pytest.mark.parametrize("piece", [2, 1 << 20])
def test_silences(piece, monkeypatch):
    monkeypatch.setattr("rtdecode.session.silence.PIECE", piece)
    rng = np.random.default_rng(4)
    for _ in range(200):
        times = np.sort(rng.uniform(0, 30, rng.integers(0, 60)))
        unit = rng.integers(0, 3, len(times))
        recorded = session([times[unit == row] for row in range(3)])
        times_us = np.round(times * S).astype(np.int64)
        long = np.flatnonzero(np.diff(times_us) >= S)
        expected = [[times_us[place], times_us[place + 1]] for place in long]
        assert silences(recorded, S).tolist() == expected


def test_silences_of_a_session_of_centuries_take_no_memory():
    recorded = session([[0.0, 8e9]])
    assert silences(recorded, S).tolist() == [[0, 8_000_000_000 * S]]


def test_response_rate():
    """Ten spikes a second in each of two units, but for 20 to 30 ms after onset."""
    times = np.arange(0, 100, 0.1)
    times = np.concatenate([times + 0.005, times[::2] + 0.025])
    recorded = session(
        [np.sort(times), np.sort(times), []],
        [table("t", np.arange(1, 90, 0.2))],
        areas=["A", "A", "B"],
    )
    summary = summarize(recorded, QualityFilter.off())
    rate = response(summary, recorded.presentations["t"], "A")
    assert len(rate) == 40
    expected = np.zeros(40)
    expected[[5, 15, 25, 35]] = 100  # 0, 100, 200, 300 ms
    expected[[7, 27]] = 100  # 20 and 220 ms
    np.testing.assert_allclose(rate, expected)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (485, "8:05"), (9152.1, "2:32:32"), (-61, "-1:01")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "session.nwb"
    rng = np.random.default_rng(6)
    units = spikes(*[np.sort(rng.uniform(0, 20, 50)) for _ in range(3)])
    units |= {"location": ["VISp", "<b>CA1", "VISp"], "presence_ratio": [1.0, 0.5, 1.0]}
    trials = {"start_time": [1.0, 2.0, 3.0], "stop_time": [1.5, 2.5, 3.5], "label": ["a", "b", "a"]}
    invalid = {"start_time": [3.2], "stop_time": [3.3]}
    tables = {"intervals/trials": trials, "intervals/invalid_times": invalid}
    return make_nwb(path, units, tables, description="Simulated")


def test_inspect_writes_figures_and_a_page(path, tmp_path, capsys):
    figures, report = tmp_path / "f.json", tmp_path / "deep" / "report"
    run_inspect([path], QualityFilter(), figures=figures, report=report)
    shown = capsys.readouterr().out
    assert re.search(r"VISp +2 +2", shown)
    assert "simulated data" in shown
    assert "Called invalid: 0:03–0:03" in shown
    assert (
        json.loads(figures.read_text())
        == summarize(read_session(path, quality=None), QualityFilter()).figures()
    )
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "&lt;b&gt;CA1" in page
    assert "<b>CA1" not in page
    assert "http" not in page  # nothing is fetched from elsewhere
    assert "simulated" in page


def test_inspect_overwrites_nothing(path, tmp_path):
    figures = tmp_path / "f.json"
    figures.write_text("precious")
    with pytest.raises(UserError, match="exists"):
        run_inspect([path], QualityFilter(), figures=figures)
    assert figures.read_text() == "precious"
    run_inspect([path], QualityFilter(), report=tmp_path)
    with pytest.raises(UserError, match="exists"):
        run_inspect([path], QualityFilter(), report=tmp_path)
    run_inspect([path], QualityFilter(), figures=figures, report=tmp_path, force=True)
    assert json.loads(figures.read_text())["units"] == 3


def test_a_page_of_a_bare_session(tmp_path):
    path = make_nwb(tmp_path / "bare.nwb", spikes([1.0]))
    run_inspect([path], QualityFilter(), report=tmp_path / "r")
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert "No stimulus table" in page
    assert page.count("data:image/png;base64,") == 2


def test_convert_keeps_every_unit(path, tmp_path):
    pytest.importorskip("pynwb", reason="pynwb is not installed")
    out = tmp_path / "out.nwb"
    run_convert([path], out)
    assert len(read_session(out, quality=None).units) == 3
    assert len(read_session(out).units) == 2
    with pytest.raises(UserError, match="exists"):
        run_convert([path], out)


def rtdecode(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "rtdecode.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def test_command_line(path, tmp_path):
    figures = tmp_path / "f.json"
    done = rtdecode("inspect", path, "--no-filter", "--json", figures)
    assert done.returncode == 0, done.stderr
    assert json.loads(figures.read_text())["units_after_filter"] == 3
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_a_users_error_is_one_line(tmp_path, command):
    wrong = tmp_path / "wrong.nwb"
    wrong.write_text("no session")
    out = tmp_path / "out.nwb"
    done = rtdecode(command, wrong, *([out] if command == "convert" else []))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(wrong) in done.stderr
    assert not out.exists()
