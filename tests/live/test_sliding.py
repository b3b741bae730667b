"""Sliding windows over LSL: the same as on the virtual clock, and none skipped under load."""

import json
import time

import numpy as np
import pytest

from benchmarks.random_bundle import write_random_bundle
from benchmarks.spike_load import SpikePool
from rtdecode import streams
from rtdecode.session.model import Units
from tests.live.conftest import finish

# A machine that stalls for longer than the lateness loses spikes, rightly; not the point here.
PATIENT = ("--lateness", "2000")
HOP = ("--sliding", "10")
SECONDS, RATE = 6, 20_000


def read(path):
    """Arrays of a posterior file."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.mark.parametrize("backend", ["torchscript", "event"])
def test_live_and_offline_are_equal(commands, session_file, bundle, tmp_path, backend):
    stretch = ["--start=20.0035", "--stop=26"]
    options = [*HOP, "--backend", backend]
    commands.run(
        "decode", bundle, "--session", session_file, *stretch, *options,
        "--posteriors", tmp_path / "offline.npz",
    )  # fmt: skip
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    decoder = commands.start("decode", bundle, "--once", *options, *files, *PATIENT)
    finish(commands.start("replay", session_file, *stretch, "--wait", "decoder"))
    finish(decoder)
    live, offline = read(tmp_path / "live.npz"), read(tmp_path / "offline.npz")
    # No window begins before the stretch does, so the first ends on the hop after 250 ms of it.
    assert offline["onset_us"].tolist() == list(range(20_010_000, 25_750_001, 10_000))
    assert offline["counts"].sum() > 1000
    # Live, the replay's lead is decoded too: silence.
    lead = live["onset_us"] < 20_010_000
    assert live["counts"][live["onset_us"] < 19_750_000].sum() == 0
    for name in ("onset_us", "counts", "label"):
        np.testing.assert_array_equal(live[name][~lead], offline[name], err_msg=name)
    if backend == "torchscript":
        np.testing.assert_array_equal(live["probabilities"][~lead], offline["probabilities"])
    np.testing.assert_allclose(live["probabilities"][~lead], offline["probabilities"], atol=1e-6)
    figures = json.loads((tmp_path / "live.json").read_text())
    assert figures["windows_skipped"] == figures["windows_incomplete"] == 0


def test_all_are_decoded_at_twenty_thousand_spikes_a_second(commands, tmp_path):
    bundle = tmp_path / "decoder.pt"
    n_units = len(write_random_bundle(bundle).unit_ids)
    units = Units(np.arange(n_units), *(np.full(n_units, v) for v in ("VISp", 0.0, "probe")))
    outlet = streams.SpikeOutlet(units)
    files = ["--posteriors", tmp_path / "live.npz", "--json", tmp_path / "live.json"]
    windows = (SECONDS * 1000 - 250) // 10
    decoder = commands.start("decode", bundle, *HOP, *files, *PATIENT, "--windows", windows)
    while not outlet.has_consumers():
        assert decoder.poll() is None
    sent = send(outlet, SpikePool(RATE, n_units), decoder)
    finish(decoder)
    live, figures = read(tmp_path / "live.npz"), json.loads((tmp_path / "live.json").read_text())
    assert figures["windows"] == windows
    assert figures["windows_skipped"] == figures["windows_incomplete"] == 0
    np.testing.assert_array_equal(np.diff(live["onset_us"]), 10_000)
    for onset_us, counts in zip(live["onset_us"].tolist(), live["counts"], strict=True):
        low, high = np.searchsorted(sent, [onset_us, onset_us + 250_000])
        assert counts.sum() == high - low > 4000


def send(outlet, pool, decoder):
    """Spikes and watermarks until the decoder has had its windows; the times of distinct spikes."""
    sent, from_us = [], streams.clock_us()
    outlet.push(np.array([streams.WATERMARK]), np.array([from_us]))
    while decoder.poll() is None:
        time.sleep(0.001)
        until_us = streams.clock_us()
        ids, times_us = pool.between(from_us, until_us)
        sent.append(times_us * 1000 + ids)
        outlet.push(np.append(ids, np.int32(streams.WATERMARK)), np.append(times_us, until_us))
        from_us = until_us
    return np.unique(np.concatenate(sent)) // 1000
