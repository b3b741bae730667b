"""A decoder process under load, and what it says of itself meanwhile."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import progress_console
from benchmarks.random_bundle import UNITS, write_random_bundle
from benchmarks.spike_load import PIPELINE, Source, SpikePool
from replay.processes import Processes
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_S
from rtdecode.realtime import settle

FIND_S = 60.0
WARM_S = 1.5
SHOW_S = 15.0  # until a display draws
EVERY_S = 0.5


@dataclass
class Watch:
    """Health messages and memory of a decoder, taken beside the source that feeds it.

    Attributes
    ----------
    said : list of (float, dict)
        LSL clock when a health message came, seconds; the message.
    memory_mib : list of float
        Resident memory, every half second.
    """

    process: psutil.Process
    said: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Listen until stopped; in a thread of its own."""
        found = streams.find(streams.HEALTH, streams.TEXT_FORMAT, FIND_S)
        if found is None:
            raise UserError(f"expected the decoder's health; none came in {FIND_S:g} s")
        inlet = streams.TextInlet(found)
        inlet.open()
        while not self._stop.wait(0.05):
            for text, at_us in inlet.pull():
                self.said.append((at_us / US_PER_S, json.loads(text)))
            now_s = streams.clock_us() / US_PER_S
            if len(self.memory_mib) * EVERY_S <= now_s - self._began_s:
                self.memory_mib.append(self.process.memory_info().rss / 2**20)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch while the block runs."""
        self._began_s = streams.clock_us() / US_PER_S
        self._stop.clear()
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


@contextmanager
def decoder_running(
    folder: Path, backend: str, *options: object, display: bool = False
) -> Iterator[tuple[Source, psutil.Process]]:
    """A decoder of a random bundle, with these options, about a source here; its process."""
    write_random_bundle(folder / "decoder.pt")
    source = Source(UNITS, 250_000, floor=False)
    names = ["--spikes", streams.SPIKES, "--stimuli", streams.STIMULI]
    asked = ["--backend", backend, "--once", *options]
    before = set(psutil.Process().children())
    with Processes(progress_console) as processes:
        processes.start(
            "decoder",
            ["decode", folder / "decoder.pt", *names, *asked],
            log=folder / "decoder.log",
        )
        (process,) = set(psutil.Process().children()) - before
        if display:
            show(processes, folder)
        source.connect()
        settle()  # the source is the clock of it all
        yield source, process
        source.end()
        processes.wait(60.0)


def show(processes: Processes, folder: Path) -> None:
    """Start a display that draws without a screen until the source says that it has ended."""
    shown = f"{streams.POSTERIOR} on {socket.gethostname()}"
    picture = ["--snapshot", folder / "display.png", "--until-end", "--decoder", shown]
    processes.start(
        "display", ["view", "--offscreen", *picture], needed=False, log=folder / "display.log"
    )


def warm(source: Source, spikes_per_s: int, seconds: float = WARM_S) -> SpikePool:
    """Fill the ring at this load; the pool to go on with."""
    pool = SpikePool(spikes_per_s, UNITS)
    source.run_block(PIPELINE, -1, pool, seconds)
    source.decisions()
    return pool
