"""What share of spikes a bridge loses, by rate: a publisher, a bridge and a listener.

python -m benchmarks.bridge --seconds 5 --rates 5000,10000,20000,30000,40000,50000
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from replay.open_ephys import Broadcaster, BroadcastSettings
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.microseconds import US_PER_S
from rtdecode.session.model import Session, Units

UNITS = 300
QUIET_S = 3.0
console = Console(stderr=True, emoji=False)


def poisson_session(rate: int, seconds: float, n_units: int = UNITS, seed: int = 0) -> Session:
    """A session of Poisson spikes, as many a second as asked for."""
    rng = np.random.default_rng(seed)
    times_us = rng.integers(0, round(seconds * US_PER_S), round(rate * seconds))
    rows = rng.integers(0, n_units, len(times_us))
    order = np.lexsort((times_us, rows))
    offsets = np.searchsorted(rows[order], np.arange(n_units + 1)).astype(np.int64)
    names = np.full(n_units, "probe")
    units = Units(np.arange(n_units), np.full(n_units, ""), np.full(n_units, np.nan), names)
    return Session("poisson", units, times_us[order], offsets, {})


def measure(rate: int, seconds: float) -> dict[str, float]:
    """One rate: spikes sent, crossed, received; what a spike costs the bridge, processor us."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    # A process of its own, as the GUI is: a listener beside it would hold it up.
    gui = context.Process(target=_send, args=(rate, seconds, theirs), daemon=True)
    gui.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "bridge.json"
        name = f"bench-bridge-{port}"
        command = [sys.executable, "-m", "rtdecode.cli", "bridge", "open-ephys", "--port", port]
        child = subprocess.Popen([*map(str, command), "--spikes", name, "--json", str(figures)])
        try:
            inlet = _open(name)
            before_s = _processor_s(child.pid)
            received = _receive(ours, inlet)
            busy_s = _processor_s(child.pid) - before_s
            sent = ours.recv()
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)
            gui.join(30)
        said = json.loads(figures.read_text())
    crossed, bursts = said["messages"], said["bursts"]
    return {
        "rate": rate,
        "sent": sent["spikes"],
        "crossed": crossed["spikes"] - crossed["strange"],
        "received": received,
        "lost_share": 1 - received / sent["spikes"],
        "largest_burst": bursts["largest"],
        "bursts_over_mark": bursts["over_mark"],
        "late_blocks": sent["late_blocks"],
        "bridge_us": 1e6 * busy_s / received,
    }


def _processor_s(pid: int) -> float:
    """Processor time that a process has taken."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _send(rate: int, seconds: float, bench: Connection) -> None:
    """Send once somebody subscribes and the bench says go; then what was sent."""
    gui = Broadcaster(
        poisson_session(rate, seconds), BroadcastSettings(address="tcp://127.0.0.1:*")
    )
    bench.send(gui.port)
    bench.recv()
    gui.wait()
    gui.play()
    gui.close()
    bench.send({"spikes": gui.sent_spikes, "late_blocks": gui.late_blocks})


def _open(name: str) -> streams.SpikeInlet:
    """Listen to the bridge."""
    found = streams.find(name, streams.SPIKE_FORMAT, 60.0)
    if found is None:
        raise UserError(f"expected the bridge's stream {name}, found none: run it again")
    inlet = streams.SpikeInlet(found)
    inlet.open(60.0)
    return inlet


def _receive(gui: Connection, inlet: streams.SpikeInlet) -> int:
    """Have it play, and receive until nothing more comes; how many spikes came."""
    gui.send("go")
    received, quiet_s = 0, time.monotonic()
    while not gui.poll() or time.monotonic() - quiet_s < QUIET_S:
        samples, _ = inlet.pull(0.05)
        spikes = int((samples[:, 0] >= 0).sum())
        received += spikes
        quiet_s = time.monotonic() if spikes else quiet_s
    return received


def main(
    seconds: Annotated[float, typer.Option(min=1.0, help="At each rate.")] = 5.0,
    rates: Annotated[str, typer.Option(help="Spikes a second, with commas.")] = (
        "5000,10000,20000,30000,40000,50000"
    ),
    figures: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
) -> None:
    """Measure at each rate."""
    if figures is not None:
        check_writable(figures, force)
    asked = [int(rate) for rate in rates.split(",")]
    rows = [
        measure(rate, seconds)
        for rate in track(asked, "measuring", console=console, transient=True)
    ]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_text(key, value) for key, value in row.items()))
    Console(emoji=False).print(table)
    if figures is not None:
        figures.write_text(json.dumps(rows, indent=1) + "\n")


def _text(name: str, value: float) -> str:
    if name == "lost_share":
        return f"{value:.4%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


if __name__ == "__main__":
    typer.run(main)
