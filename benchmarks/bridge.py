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
from pathlib import Path
from typing import Annotated

import numpy as np
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
    """One rate: spikes sent, crossed, received; shares lost on each leg."""
    gui = Broadcaster(
        poisson_session(rate, seconds), BroadcastSettings(address="tcp://127.0.0.1:*")
    )
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "bridge.json"
        name = f"bench-bridge-{gui.port}"
        command = [sys.executable, "-m", "rtdecode.cli", "bridge", "open-ephys", "--port", gui.port]
        child = subprocess.Popen([*map(str, command), "--spikes", name, "--json", str(figures)])
        try:
            received = _listen(gui, name)
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)
        said = json.loads(figures.read_text())
    crossed, bursts = said["messages"], said["bursts"]
    sent = gui.sent_spikes
    return {
        "rate": rate,
        "sent": sent,
        "crossed": crossed["spikes"] - crossed["strange"],
        "received": received,
        "lost_share": 1 - received / sent,
        "largest_burst": bursts["largest"],
        "bursts_over_mark": bursts["over_mark"],
        "late_blocks": gui.late_blocks,
    }


def _listen(gui: Broadcaster, name: str) -> int:
    """Play while somebody receives; spikes received."""
    import threading

    found = streams.find(name, streams.SPIKE_FORMAT, 60.0)
    if found is None:
        raise UserError(f"expected the bridge's stream {name}, found none: run it again")
    inlet = streams.SpikeInlet(found)
    inlet.open(60.0)
    gui.wait()
    playing = threading.Thread(target=gui.play)
    playing.start()
    received, quiet_s = 0, time.monotonic()
    while playing.is_alive() or time.monotonic() - quiet_s < QUIET_S:
        samples, _ = inlet.pull(0.05)
        spikes = int((samples[:, 0] >= 0).sum())
        received += spikes
        quiet_s = time.monotonic() if spikes else quiet_s
    gui.close()
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
        table.add_row(
            *(f"{value:.4%}" if key == "lost_share" else f"{value:,}" for key, value in row.items())
        )
    Console(emoji=False).print(table)
    if figures is not None:
        figures.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
