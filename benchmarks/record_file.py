"""How much memory and time it takes to make a record's file of its journal.

The journal is of 300 units at 20 thousand spikes/s with a watermark every 10 ms, a
posterior and a decision ten times a second. Each file is made in a process of its
own, after its imports; memory is the high-water mark of the whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peak import peak_bytes
from rtdecode.record.journal import Journal, JournalReader, journal_of

UNITS, SPIKES_PER_S = 300, 20_000
STEP_US, WINDOW_STEPS = 10_000, 10
CLASSES = [f"{degrees}" for degrees in range(0, 180, 30)]


def bench_record_file(sizes: tuple[int, ...], figures: Path | None, force: bool) -> None:
    """Make records of so many rows, print and write the figures.

    Raises
    ------
    UserError
        If the figures' file exists.
    """
    from benchmarks.machine import (
        check_json,
        describe_machine,
        print_heading,
        print_rows,
        progress_console,
        write_json,
    )

    check_json(figures, force)
    machine = describe_machine()
    rows = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.nwb"
            with progress_console.status(f"a journal of {n:,} rows, and its record"):
                write_journal(journal_of(file), n)
                rows.append(made_in_a_process(file))
    print_heading("The file of a record", machine, units=UNITS)
    print_rows(rows, ("rows", "s", "peak_mb", "file_mb"))
    write_json(figures, {"machine": machine, "rows": rows}, force)


def write_journal(folder: Path, n_rows: int) -> None:
    """A journal of at least so many rows."""
    from benchmarks.spike_load import SpikePool

    about = {"zero_us": 0, "started_s": time.time(), "settings": {}, "bundle": {}, "versions": {}}
    journal, pool = Journal(folder, about), SpikePool(SPIKES_PER_S, UNITS)
    journal.add_stream({"key": "spikes-0", "role": "spikes", "name": "s"})
    journal.add_stream({"key": "posterior-1", "role": "posterior", "name": "p", "classes": CLASSES})
    journal.add_stream({"key": "decisions-2", "role": "decisions", "name": "d"})
    said = json.dumps(
        {"window": 0, "spikes": {"on_time": 2000}, "stages_ms": {}, "filler": "." * 600}
    )
    posterior = np.full((1, len(CLASSES)), 1 / len(CLASSES), np.float32)
    sent, step = 0, 0
    while sent < n_rows:
        low_us, step = step * STEP_US, step + 1
        ids, times_us = pool.between(low_us, low_us + STEP_US)
        ids, times_us = np.append(ids, np.int32(-1)), np.append(times_us, low_us + STEP_US)
        sequence = np.arange(sent, sent + len(ids), dtype=np.int32)
        journal.rows("spikes-0", np.stack([ids, sequence], axis=1), times_us, times_us[-1] + 400)
        sent += len(ids)
        if not step % WINDOW_STEPS:
            journal.posteriors("posterior-1", posterior, times_us[-1:], int(times_us[-1]))
            journal.texts("decisions-2", [(said, int(times_us[-1]))], int(times_us[-1]))
    journal.close({})


def made_in_a_process(file: Path) -> dict[str, object]:
    """Rows, seconds, peak memory and size of a record made in a new process."""
    code = f"from benchmarks.record_file import make; make({str(file)!r})"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def make(file: str) -> None:
    """Make a record in this process and print its figures as JSON."""
    from rtdecode.record.nwb import write_record

    start = time.perf_counter()
    n = write_record(JournalReader(journal_of(Path(file))), Path(file))
    seconds = time.perf_counter() - start
    size = Path(file).stat().st_size
    print(
        json.dumps({"rows": n, "s": seconds, "peak_mb": peak_bytes() / 1e6, "file_mb": size / 1e6})
    )
