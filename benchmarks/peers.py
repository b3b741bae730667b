"""Ours beside ezmsg and a lab's own script: the same spikes, the same model, one after the other.

Only one decodes at a time, so that none pays for another's work; they take turns in
rounds, so that all see the same machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from benchmarks.loopback import own_loopback
from benchmarks.machine import (
    check_json,
    console,
    describe_machine,
    print_heading,
    print_rows,
    progress_console,
    write_json,
)
from benchmarks.random_bundle import CLASSES, UNITS, random_map, write_random_bundle
from benchmarks.spike_load import PIPELINE, Answered, Source, SpikePool
from rtdecode import streams
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.kernels.binning import bin_window
from rtdecode.latency import PERCENTILES, percentiles
from rtdecode.realtime import settle

SCRIPTS = Path(__file__).with_name("peer_scripts")
ENVIRONMENT = Path(".venv-peers")
PACKAGES = ("ezmsg", "ezmsg-lsl", "ezmsg-event", "pylsl", "sparse")
WARM_S, COLD = 2.0, 2
COLUMNS = ("name", "n", "unanswered", *PERCENTILES, "ratio_p50", "ratio_p95", "off_max")
OURS = "rtdecode"
SETTINGS = {
    OURS: "rtdecode decode, as it comes; TorchScript",
    "rtdecode event": "rtdecode decode --backend event",
    "lab script, poll": "pylsl pull_chunk every ms, buffer of 1 M, np.histogram2d, eager torch, "
    "one thread; closes on the watermark",
    "lab script, block": "the same, but pull_chunk(min_samples=1) instead of a look every ms",
    "ezmsg, stock": "ezmsg-lsl inlets and outlet, ezmsg-event BinnedEventAggregator, TorchScript, "
    "one thread, one process; LSL clock, no post-processing; closes on the watermark",
    "ezmsg, mended": "the same, with inlets of max_chunklen 0 and a buffer of 1 M",
}


@dataclass(frozen=True)
class Peer:
    """One that decodes.

    Attributes
    ----------
    name : str
    command : list of str
    """

    name: str
    command: list[str]


def ensure_environment(path: Path) -> Path:
    """The Python of an environment with ezmsg; made where there is none yet.

    Raises
    ------
    UserError
        If the packages cannot be installed.
    """
    python = path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = path / "ready"
    if ready.is_file():
        return python.absolute()
    console.print(f"making {path} with ezmsg and torch: minutes, once")
    venv.create(path, with_pip=True, clear=True)
    import torch

    torch_version = torch.__version__.partition("+")[0]
    command = [str(python), "-m", "pip", "install", "-q", *PACKAGES, f"torch=={torch_version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(
            f"expected pip to install {', '.join(PACKAGES)} and torch into {path}, found: {last}: "
            "see that the network is there, or leave ezmsg out with --no-ezmsg"
        )
    ready.touch()
    return python.absolute()


def versions_in(python: Path) -> dict[str, str]:
    """What that environment holds, by name."""
    names = ("ezmsg", "ezmsg-lsl", "ezmsg-event", "numpy", "torch", "pylsl")
    code = f"from importlib.metadata import version\nfor n in {names}: print(n, version(n))"
    said = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return {f"{name} (peers)": found for name, found in map(str.split, said.stdout.splitlines())}


def peers_of(folder: Path, python: Path | None) -> list[Peer]:
    """All that take part; the ezmsg graphs where there is an environment for them."""
    bundle, weights = str(folder / "decoder.pt"), str(folder / "weights.npz")
    ours = [sys.executable, "-m", "rtdecode.cli", "decode", bundle, "--once"]
    ours += ["--spikes", streams.SPIKES, "--stimuli", streams.STIMULI]
    script = [sys.executable, str(SCRIPTS / "lab_script.py"), weights]
    found = [Peer(OURS, ours), Peer("rtdecode event", [*ours, "--backend", "event"])]
    found += [Peer(f"lab script, {mode}", [*script, mode]) for mode in ("poll", "block")]
    if python is not None:
        graph = [str(python), str(SCRIPTS / "ezmsg_pipeline.py"), bundle]
        sizes = [str(UNITS), str(CLASSES)]
        found += [Peer(f"ezmsg, {mode}", [*graph, mode, *sizes]) for mode in ("stock", "mended")]
    return found


def write_models(folder: Path) -> None:
    """The bundle, and its weights for who builds the model by hand."""
    info = write_random_bundle(folder / "decoder.pt")
    weight, bias = (part.astype(np.float32) for part in random_map(UNITS, CLASSES, info.window))
    np.savez(folder / "weights.npz", weight=weight.T, bias=bias, n_units=UNITS)


@contextmanager
def listening(peer: Peer, folder: Path) -> Iterator[Source]:
    """A source, and one peer that answers it."""
    source = Source(UNITS, 250_000, floor=False, decisions=False)
    log = folder / "peer.log"
    with log.open("w") as said:
        child = subprocess.Popen(peer.command, stdout=said, stderr=said)
    try:
        source.connect()
        yield source
        source.end()
        child.wait(20.0)
    except (UserError, subprocess.TimeoutExpired) as error:
        lines = log.read_text(errors="replace").strip().splitlines()
        raise UserError(
            f"expected {peer.name} to answer and to end, found that it did not "
            f"({lines[-1] if lines else 'it said nothing'}): run it again"
        ) from error
    finally:
        child.kill()
        child.wait()


def run_round(peer: Peer, folder: Path, pool: SpikePool, seconds: float) -> list[Answered]:
    """One peer's windows of one round."""
    with listening(peer, folder) as source:
        source.warm(pool, WARM_S)
        return source.run_block(PIPELINE, 0, pool, seconds)[COLD:]


def off(windows: Sequence[Answered], pool: SpikePool, decoder: Decoder) -> list[float]:
    """Each window's largest difference of a probability from what the spikes sent give."""
    differences = []
    out = np.zeros(decoder.info.shape, np.uint16)
    for window in windows:
        if window.posterior is not None:
            ids, times_us = pool.between(window.onset_us, window.end_us)
            bin_window(times_us, ids, window.onset_us, decoder.info.window.bin_us, out)
            differences.append(float(np.abs(window.posterior - decoder.predict(out)).max()))
    return differences


def row_of(name: str, rounds: Sequence[Sequence[Answered]]) -> dict[str, object]:
    """Percentiles of one peer: p50 and p95 are medians over rounds, the rest over all windows."""
    latencies = [
        [w.latency_ms for w in windows if w.received_us and w.pushed_us] for windows in rounds
    ]
    found = percentiles(value for round_ms in latencies for value in round_ms)
    each = [percentiles(round_ms) for round_ms in latencies if round_ms]
    for key in ("p50", "p95"):
        if each:
            found[key] = round(float(np.median([summary[key] for summary in each])), 4)
    windows = [window for part in rounds for window in part]
    missed = sum(not window.received_us for window in windows)
    return {"name": name, "settings": SETTINGS[name], "n": len(windows), "unanswered": missed} | {
        **found
    }


def with_ratios(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Each row with its times as multiples of ours."""
    ours = rows[0]
    for row in rows:
        for key in PERCENTILES:
            if key in row:
                row[f"ratio_{key}"] = round(float(str(row[key])) / float(str(ours[key])), 2)
    return rows


def bench_peers(
    seconds: float, rounds: int, spikes_per_s: int, ezmsg: bool, figures: Path | None, force: bool
) -> None:
    """Measure, print and write.

    Raises
    ------
    UserError
        If a peer fails, its environment cannot be made, or the file exists.
    """
    check_json(figures, force)
    python = ensure_environment(ENVIRONMENT) if ezmsg else None
    machine = describe_machine()
    pool = SpikePool(spikes_per_s, UNITS)
    with own_loopback(), tempfile.TemporaryDirectory(prefix="rtdecode-bench-") as name:
        folder = Path(name)
        write_models(folder)
        settle()
        peers = peers_of(folder, python)
        found: dict[str, list[list[Answered]]] = {peer.name: [] for peer in peers}
        with Progress(console=progress_console, transient=True) as progress:
            bar = progress.add_task("peers", total=rounds * len(peers))
            for _ in range(rounds):
                for peer in peers:
                    block_s = seconds / rounds / len(peers)
                    found[peer.name].append(run_round(peer, folder, pool, block_s))
                    time.sleep(0.5)
                    progress.advance(bar)
        decoder = Decoder.load(folder / "decoder.pt")
        rows = with_ratios([row_of(name, parts) for name, parts in found.items()])
        for row, parts in zip(rows, found.values(), strict=True):
            differences = [each for windows in parts for each in off(windows, pool, decoder)]
            row["off_p50"] = round(float(np.median(differences or [np.nan])), 7)
            row["off_max"] = round(max(differences, default=np.nan), 7)
    load: dict[str, object] = {"spikes_per_s": spikes_per_s, "units": UNITS, "classes": CLASSES}
    load |= {} if python is None else versions_in(python)
    print_heading("last spike pushed to posterior received, ms", machine, **load)
    print_rows(rows, COLUMNS)
    for row in rows:
        console.print(f"{row['name']}: {row['settings']}")
    write_json(figures, {"machine": machine, **load, "rows": rows}, force)
