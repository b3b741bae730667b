"""What the benchmark of loading rests on, at a small size."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.session_load import BYTES_A_SPIKE, LOADERS, TARGET_MEMORY, summarize, write_file
from rtdecode.errors import UserError

from .nwb_files import make_nwb, spikes


def test_memory_is_that_of_the_spikes(tmp_path):
    rng = np.random.default_rng(0)
    path = make_nwb(tmp_path / "s.nwb", spikes(*np.sort(rng.uniform(0, 9000, (50, 100_000)))))
    code = f"from benchmarks.session_load import measure; measure('rtdecode', {str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    load = json.loads(done.stdout)
    assert load["spikes"] == 5_000_000
    assert 1 <= load["bytes"] / (load["spikes"] * BYTES_A_SPIKE) <= TARGET_MEMORY


@pytest.mark.filterwarnings("ignore")
def test_both_readers_load_the_same(tmp_path):
    pytest.importorskip("allensdk", reason="AllenSDK is not installed")
    path = tmp_path / "s.nwb"
    write_file(path, 12, 3000, 40)
    assert LOADERS["rtdecode"]()(path) == LOADERS["EcephysSession"]()(path) == (12, 3000, 40)


def load(reader, seconds, **counts):
    return {"reader": reader, "s": seconds, "bytes": 1200, "units": 2, "spikes": 100} | {
        "presentations": 3,
        **counts,
    }


def test_summary():
    loads = [load("rtdecode", s) for s in (0.1, 0.3, 0.2)]
    loads += [load("EcephysSession", s, bytes=8000) for s in (9.0, 10.0, 11.0)]
    summary = summarize(loads)
    assert summary["times_faster"] == pytest.approx(50)
    assert summary["memory_ratio"] == 1.5
    assert summary["rows"][1]["memory_ratio"] == 10
    with pytest.raises(UserError, match="did not load the same"):
        summarize([*loads, load("rtdecode", 0.1, spikes=99)])
