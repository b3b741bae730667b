"""How long a session takes to load, and how much memory: beside AllenSDK's ``EcephysSession``.

The file is written by AllenSDK's own classes (600 units, 10 million spikes, a
Brain Observatory session's stimuli). Each load runs in a process of its own,
after its imports, with the file in the system's cache, a reader's loads one
after another; both give units, spike times, presentations, invalid times and
running speed. Memory is the process's high-water mark less what it held before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from benchmarks.peak import peak_bytes
from rtdecode.errors import UserError

UNITS, SPIKES, PRESENTATIONS = 600, 10_000_000, 12_000
PROBES = 6
SESSION_S = 9_000.0
BYTES_A_SPIKE = 8
TARGET_RATIO, TARGET_MEMORY = 50.0, 1.5
AREAS = ("VISp", "VISl", "VISal", "VISam")


def bench_session_load(repeats: int, figures: Path | None, force: bool) -> None:
    """Write the file, load it by both readers, print and write the figures.

    Raises
    ------
    UserError
        If AllenSDK is not installed or the figures' file exists.
    """
    from benchmarks.machine import (
        check_json,
        describe_machine,
        installed,
        print_heading,
        print_rows,
        progress_console,
        write_json,
    )

    if installed("allensdk") is None:
        raise UserError("this benchmark needs AllenSDK: pip install 'rtdecode[allen]'")
    check_json(figures, force)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.nwb"
        with progress_console.status(f"writing {UNITS} units and {SPIKES:,} spikes"):
            write_file(path, UNITS, SPIKES, PRESENTATIONS)
        with progress_console.status("loading"):
            loads = measure_readers(path, repeats)
    summary = summarize(loads)
    print_heading(
        "Loading a session",
        machine,
        units=UNITS,
        spikes=SPIKES,
        n=repeats,
        AllenSDK=installed("allensdk"),
    )
    print_rows(summary["rows"], ("reader", "median_s", "fastest_s", "slowest_s", "memory_ratio"))
    typer.echo(
        f"{summary['times_faster']:.0f} times faster (expected {TARGET_RATIO:.0f}), memory "
        f"{summary['memory_ratio']:.2f} times the spikes' own size "
        f"(expected {TARGET_MEMORY} at most)"
    )
    write_json(figures, {"machine": machine, "loads": loads, **summary}, force)


def write_file(path: Path, n_units: int, n_spikes: int, n_presentations: int) -> None:
    """Write a session with AllenSDK's classes; rates are log-normal."""
    from benchmarks.allen_reference import (
        CHANNELS,
        channel_id,
        make_probe,
        make_unit,
        write_reference,
    )

    rng = np.random.default_rng(0)
    rates = rng.lognormal(0.0, 1.0, n_units)
    sizes = rng.multinomial(n_spikes, rates / rates.sum())
    probes = []
    for probe in range(PROBES):
        units = [
            make_unit(
                number,
                channel_id(probe, number % CHANNELS),
                np.sort(rng.uniform(0, SESSION_S, sizes[number])),
                metrics={},
            )
            for number in range(probe, n_units, PROBES)
        ]
        areas = [AREAS[row % len(AREAS)] for row in range(CHANNELS)]
        probes.append(make_probe(probe, areas, [True] * CHANNELS, units))
    write_reference(path, probes, _presentations(n_presentations, rng), running=_running(rng))


def _presentations(n: int, rng: np.random.Generator) -> Any:
    """Scenes and gratings, half of each."""
    import pandas as pd

    starts = np.arange(n) * 0.25021
    scenes = np.arange(n) < n // 2
    return pd.DataFrame(
        {
            "start_time": starts,
            "stop_time": starts + 0.25021,
            "stimulus_name": np.where(scenes, "natural_scenes", "static_gratings"),
            "stimulus_block": np.where(scenes, 9.0, 8.0),
            "stimulus_index": np.where(scenes, 5.0, 4.0),
            "frame": np.where(scenes, rng.integers(-1, 118, n), np.nan),
            "orientation": np.where(scenes, np.nan, rng.integers(0, 6, n) * 30.0),
        }
    )


def _running(rng: np.random.Generator) -> Any:
    import pandas as pd

    times = np.arange(0, SESSION_S, 1 / 60)
    speed = rng.normal(0, 5, len(times))
    columns = {"start_time": times, "end_time": times + 1 / 60, "velocity": speed}
    return pd.DataFrame(columns | {"net_rotation": speed / 60})


def measure_readers(path: Path, repeats: int) -> list[dict[str, object]]:
    """Load by one reader and then the other, each time in a new process.

    A reader's loads follow one another. Its first does not count: it brings the
    file into the system's cache and the memory that it needs back to the
    machine (a virtual one pays for each page that its host had taken).
    """
    return [
        load for reader in LOADERS for load in [_load(reader, path) for _ in range(repeats + 1)][1:]
    ]


def _load(reader: str, path: Path) -> dict[str, object]:
    code = f"from benchmarks.session_load import measure; measure({reader!r}, {str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def measure(reader: str, path: str) -> None:
    """Load once in this process and print time and memory as JSON."""
    load = LOADERS[reader]()
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    kept = load(Path(path))
    seconds = time.perf_counter() - start
    peak = peak_bytes()
    print(json.dumps({"reader": reader, "s": seconds, "bytes": peak - before, **_counts(kept)}))


def _counts(kept: tuple[int, int, int]) -> dict[str, int]:
    units, spikes, presentations = kept
    return {"units": units, "spikes": spikes, "presentations": presentations}


def _ours() -> Callable[[Path], tuple[int, int, int]]:
    from rtdecode.session import read_session

    def load(path: Path) -> tuple[int, int, int]:
        session = read_session(path)
        _keep(session)
        presentations = sum(len(table) for table in session.presentations.values())
        return len(session.units), len(session.spike_times_us), presentations

    return load


def _theirs() -> Callable[[Path], tuple[int, int, int]]:
    warnings.simplefilter("ignore")
    from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession

    def load(path: Path) -> tuple[int, int, int]:
        session = EcephysSession.from_nwb_path(str(path))
        _keep(session)
        spikes = sum(len(times) for times in session.spike_times.values())
        units, presentations = len(session.units), len(session.stimulus_presentations)
        assert session.invalid_times is not None
        assert len(session.running_speed)
        return units, spikes, presentations

    return load


_KEPT: list[object] = []


def _keep(session: object) -> None:
    """Hold on to what was loaded, so that its memory counts."""
    _KEPT.append(session)


LOADERS = {"rtdecode": _ours, "EcephysSession": _theirs}


def summarize(loads: list[dict[str, Any]]) -> dict[str, Any]:
    """Give each reader's times and memory, and how they compare.

    Raises
    ------
    UserError
        If the two did not load the same.
    """
    counts = {(load["units"], load["spikes"], load["presentations"]) for load in loads}
    if len(counts) != 1:
        raise UserError(f"the readers did not load the same: {sorted(counts)}")
    rows = [
        _row(reader, [load for load in loads if load["reader"] == reader]) for reader in LOADERS
    ]
    ours, theirs = rows
    return {
        "rows": rows,
        "times_faster": theirs["median_s"] / ours["median_s"],
        "memory_ratio": ours["memory_ratio"],
    }


def _row(reader: str, loads: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = [load["s"] for load in loads]
    memory = max(load["bytes"] / (load["spikes"] * BYTES_A_SPIKE) for load in loads)
    return {
        "reader": reader,
        "median_s": float(np.median(seconds)),
        "fastest_s": min(seconds),
        "slowest_s": max(seconds),
        "memory_ratio": memory,
    }


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Loads of each reader.")] = 3,
    figures: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
) -> None:
    """Load one session by our reader and by AllenSDK's."""
    try:
        bench_session_load(repeats, figures, force)
    except UserError as error:
        print(f"session_load: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    typer.run(main)
