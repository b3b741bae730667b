"""Every benchmark of the core runs, counts what it should, and writes the figures it promises.

Shortened; seconds are never asserted, ratios where they are far from any noise.
"""

import json
import sys
import time

import numpy as np
import psutil
import pytest

from benchmarks.cores import Cores
from benchmarks.kernels import BINNERS, OURS, agrees, new_recording
from benchmarks.latency_rows import row_of
from benchmarks.machine import installed
from benchmarks.peers import off, with_ratios
from benchmarks.random_bundle import write_random_bundle
from benchmarks.soak import ends
from benchmarks.spike_load import FLOOR, PIPELINE, Answered, SpikePool
from benchmarks.sustained import LATENESS_US, answers_of, growth
from rtdecode.decoder import Decoder
from rtdecode.kernels.binning import bin_window
from rtdecode.latency import PERCENTILES
from tests.live.conftest import Commands

PATIENCE_S = 280  # processes start one after another, on a machine that may be busy
pytestmark = pytest.mark.timeout(300)
KINDS = {"on_time", "late", "duplicate", "unknown", "malformed", "lost"}
LIBRARIES = [name for name in ("elephant", "pynapple") if installed(name)]


@pytest.fixture
def bench(tmp_path):
    """Run a benchmark to its end; its figures."""
    commands = Commands()

    def run(*arguments):
        path = tmp_path / "figures.json"
        child = commands.start("bench", *arguments, "--json", path)
        _, said = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, said
        figures = json.loads(path.read_text())
        assert figures["machine"]["cores"] > 0
        assert figures["machine"]["versions"]["torch"]
        assert "load_1min" in figures["machine"]
        return figures

    yield run
    for child in commands.children:
        child.kill()
        child.communicate()


def test_kernels_are_ahead_of_numpy_and_far_ahead_of_the_libraries(bench):
    figures = bench("kernels", "--seconds", "3")
    rows = {row["name"]: row for row in figures["rows"]}
    assert set(rows) == {OURS, "np.bincount", "np.histogram2d", *LIBRARIES}
    assert all(row["equal"] and row["n"] >= 5 for row in rows.values())
    assert rows[OURS]["ratio"] == 1
    assert rows["np.bincount"]["ratio"] > 1.5
    assert all(rows[name]["ratio"] > 100 for name in LIBRARIES)


def test_that_counts_agree_is_looked_at():
    recording = new_recording()
    ours = BINNERS[OURS](recording)
    assert agrees(ours, recording)
    assert not agrees(lambda start_us: ours(start_us) + (start_us > 0), recording)


def test_replay_is_equal_to_live(bench):
    figures = bench("replay", "--seconds", "40")
    assert figures["equal_to_live"] is True
    assert figures["windows"] == 48
    assert figures["x_real_time"] > 20
    assert 150_000 < figures["spikes"] < 220_000


def test_sustained_tells_each_phase(bench):
    figures = bench("sustained", "--seconds", "3", "--spikes", "20000")
    rows = figures["rows"]
    assert [row["phase"] for row in rows] == ["sustained", "overload", "after"]
    for row in rows:
        assert row["decided"] > 10
        assert row["in_time"] <= row["decided"]
        assert set(row) >= KINDS | {"memory_mib", "said_after_s", "sent_per_s"}
        assert row["sent_late"] <= row["incomplete"]
        assert row["source_cores"] > 0 < row["decoder_cores"]
    # Three times a load that is light is carried as well: nothing is lost.
    assert [row["lost"] for row in rows] == [0, 0, 0]
    assert rows[1]["on_time"] > 1.2 * rows[0]["on_time"], "as much more as the source could send"


def test_what_the_source_sent_late_is_told_apart():
    windows = windows_of([1, 1, 1])
    for i, window in enumerate(windows):
        window.end_us, window.sent_us = i, i + (LATENESS_US + 1 if i == 1 else 2_000)
    spikes = dict.fromkeys(KINDS, 0)
    told = [
        {"end_us": i, "complete": i == 0, "spikes": spikes, "stages_ms": {"total": 1.0}}
        for i in range(3)
    ]
    found = answers_of(windows, told)
    assert (found["decided"], found["incomplete"], found["sent_late"]) == (3, 2, 1)


def test_who_takes_the_processor_is_told():
    cores = Cores(this=psutil.Process())
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    taken = cores.taken()
    assert set(taken) == {"this_cores", "others_cores"}
    assert 0 < taken["this_cores"] < 2


def test_sliding_windows_are_all_decided_with_what_was_sent(bench):
    figures = bench("sliding", "--seconds", "4", "--spikes", "5000")
    (row,) = figures["rows"]
    assert row["due"] > 200
    assert row["decided"] == row["due"] - row["skipped"]
    # A machine that stalls for longer than the lateness loses spikes, rightly.
    assert row["as_sent"] >= row["decided"] - row["incomplete"]
    assert row["as_sent"] > 0.5 * row["due"]


def test_a_bridge_at_a_low_rate_loses_nothing(tmp_path):
    figures, commands = tmp_path / "bridge.json", Commands()
    asked = ["--seconds", 2, "--rates", "1000", "--json", figures]
    child = commands.start_python("-m", "benchmarks.bridge", *asked)
    try:
        _, said = child.communicate(timeout=PATIENCE_S)
    finally:
        commands.end()
    assert child.returncode == 0, said
    (row,) = json.loads(figures.read_text())
    assert row["sent"] == row["crossed"] == row["received"] == 2000
    assert row["lost_share"] == 0


def test_soak_compares_its_ends(bench):
    figures = bench("soak", "--seconds", "12", "--spikes", "5000", "--display")
    assert (figures["display"], figures["realtime"]) == (True, False)
    assert figures["n"] > 60
    assert figures["unanswered"] == 0
    assert figures["spikes"]["lost"] == 0
    assert figures["memory_growth_mib"] < 50
    assert figures["ratio_p50"] > 0
    assert set(figures["first_ms"]) == set(figures["last_ms"]) == set(PERCENTILES)


def test_latency_measures_the_floor_beside_the_pipeline(bench):
    figures = bench(
        "latency", "--seconds", "6", "--loads", "20000", "--display", "off",
        "--backends", "torchscript", "--record", "both",
    )  # fmt: skip
    assert [row["spikes_per_s"] for row in figures["rows"]] == [20_000] * 2
    assert [row["record"] for row in figures["rows"]] == [False, True]
    assert set(figures["model_alone_ms"]) == set(PERCENTILES)
    for row in figures["rows"]:
        assert row["display"] is False
        assert row["backend"] == "torchscript"
        assert row["n"] >= 5
        assert row["n_floor"] >= 5
        stages = {"wire_in", "wait", "bin", "infer", "wire_out"}
        if sys.platform != "win32":  # which has no pseudo-terminals
            stages |= {"trigger"}
        assert set(row["stages_ms"]) == stages
        for told in (row["floor_ms"], row["pipeline_ms"], *row["stages_ms"].values()):
            assert set(told) == set(PERCENTILES)
        assert row["ratio_p50"] > 0


def test_peers_take_turns_and_say_what_the_model_says_of_the_spikes(bench):
    figures = bench("peers", "--no-ezmsg", "--seconds", "10", "--rounds", "1", "--spikes", "5000")
    rows = {row["name"]: row for row in figures["rows"]}
    assert set(rows) == {OURS, "rtdecode event", "lab script, poll", "lab script, block"}
    for row in rows.values():
        assert row["n"] > 5
        assert row["settings"]
        # Most: a stalled machine closes some without their spikes, and bins in float seconds
        # put a spike on an edge into either.
        assert row["off_p50"] < 1e-5
    assert rows[OURS]["ratio_p50"] == 1


def windows_of(latencies_ms, kind=PIPELINE, block=0):
    """Answered windows of these latencies."""
    return [
        Answered(kind, block, 0, 250_000, 300_000, received_us=300_000 + round(1000 * ms))
        for ms in latencies_ms
    ]


def test_a_row_takes_medians_over_blocks_and_counts_the_unanswered():
    windows = [w for b in range(3) for w in windows_of([b + 1] * 9, FLOOR, b)]
    windows += [w for b in range(3) for w in windows_of([2 * (b + 1)] * 9, PIPELINE, b)]
    windows += [
        Answered(PIPELINE, 0, 0, 250_000, 300_000),
        Answered(PIPELINE, 0, 0, 0, received_us=9),
    ]
    row = row_of(windows, [])
    assert (row["n"], row["n_floor"], row["unanswered"]) == (27, 27, 1)
    assert row["answered_before_pushed"] == 1
    assert (row["floor_ms"]["p50"], row["pipeline_ms"]["p50"], row["ratio_p50"]) == (2, 4, 2)
    assert row["pipeline_ms"]["max"] == 6


def test_the_ends_of_a_soak_are_its_first_and_last_sixth():
    blocks = [windows_of([ms]) for ms in range(1, 13)]
    first, last = ends(blocks)
    assert (first["max"], last["max"]) == (2, 12)
    assert growth([100.0] * 10 + [120.0] * 20 + [130.0] * 10) == 30.0
    assert growth([]) == 0.0


def test_ratios_are_to_the_first_row():
    rows = with_ratios([{"name": OURS, "p50": 2.0}, {"name": "other", "p50": 5.0}])
    assert [row["ratio_p50"] for row in rows] == [1.0, 2.5]


def test_a_wrong_answer_is_seen(tmp_path):
    write_random_bundle(tmp_path / "decoder.pt", 20, 4)
    decoder, pool = Decoder.load(tmp_path / "decoder.pt"), SpikePool(2_000, 20)
    out = np.zeros(decoder.info.shape, np.uint16)
    (window,) = windows_of([1])
    ids, times_us = pool.between(window.onset_us, window.end_us)
    bin_window(times_us, ids, 0, 25_000, out)
    window.posterior = decoder.predict(out)
    assert off([window], pool, decoder) == [0.0]
    out[0, 0] += 3
    window.posterior = decoder.predict(out)
    assert off([window], pool, decoder)[0] > 1e-3
