"""Simulated mice beside the real ones: nine published statistics, printed in one table.

Each mouse is simulated, written as a session file and read back like any
recording; the statistics are taken from what was read. The parameters of the
simulator were set on seeds below 1000; this reports on seeds from 1000 on.
Statistics of VISp are those of the mice that have it: a probe misses it now and then.

    python -m benchmarks.simulator_vs_published --mice 8 --json figures.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.published_statistics import STATISTICS, Verdict, judge
from benchmarks.simulated_mouse import MouseFigures, measure_mouse
from rtdecode.errors import UserError

FIRST_REPORT_SEED = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 0 when at least seven of the nine are inside."""
    options = _parse(arguments)
    started = time.perf_counter()
    mice = measure(options.mice, options.seed, options.jobs, options.sessions)
    try:
        verdicts = [judge(statistic, mice) for statistic in STATISTICS]
    except UserError as error:
        print(f"simulator_vs_published: {error}", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - started
    _print(verdicts, mice, options.seed, seconds)
    if options.json is not None:
        options.json.write_text(json.dumps(_figures(verdicts, mice, options, seconds), indent=1))
    return 0 if sum(verdict.inside for verdict in verdicts) >= 7 else 1


def measure(mice: int, seed: int, jobs: int, sessions: Path | None) -> list[MouseFigures]:
    """Simulate and measure mice, ``jobs`` at a time, in order of their number.

    Their sessions are kept in ``sessions`` if given, and those there are not made anew.
    """
    found: dict[int, MouseFigures] = {}
    keep = sessions is not None
    with (
        tempfile.TemporaryDirectory(prefix="rtdecode-simulated-") as scratch,
        Progress(console=Console(stderr=True)) as bars,
        ProcessPoolExecutor(jobs) as pool,
    ):
        folder = sessions or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        bar = bars.add_task("mice", total=mice)
        waiting = {pool.submit(measure_mouse, folder, keep, seed, n): n for n in range(mice)}
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            bars.advance(bar)
    return [found[number] for number in range(mice)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mice", type=int, default=10, help="how many; at least 8 to report")
    parser.add_argument("--seed", type=int, default=FIRST_REPORT_SEED, help="of the cohort")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mice at a time")
    parser.add_argument(
        "--sessions", type=Path, metavar="DIR", help="keep the sessions there, and use those there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    if options.mice < 2:
        parser.error("geometry is compared between mice: --mice must be 2 or more")
    return options


def _print(verdicts: list[Verdict], mice: list[MouseFigures], seed: int, seconds: float) -> None:
    table = Table(title=f"Simulated beside published: {len(mice)} simulated mice, seed {seed}")
    for heading in ("statistic", "published", "tolerance", "simulated", "inside"):
        table.add_column(heading)
    for verdict in verdicts:
        statistic = verdict.statistic
        inside = "yes" if verdict.inside else "[bold red]no[/]"
        table.add_row(
            statistic.name, statistic.published, statistic.tolerance, verdict.text, inside
        )
    console = Console(width=170 if not sys.stdout.isatty() else None)
    console.print(table)
    many = sum(verdict.inside for verdict in verdicts)
    console.print(f"{many} of {len(verdicts)} inside; {seconds:.0f} s")


def _figures(
    verdicts: list[Verdict],
    mice: list[MouseFigures],
    options: argparse.Namespace,
    seconds: float,
) -> dict[str, object]:
    return {
        "simulated": True,
        "mice": options.mice,
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
        "statistics": [
            {
                "name": verdict.statistic.name,
                "published": verdict.statistic.published,
                "tolerance": verdict.statistic.tolerance,
                "simulated": verdict.value,
                "inside": verdict.inside,
            }
            for verdict in verdicts
        ],
        "inside": sum(verdict.inside for verdict in verdicts),
        "by_mouse": [
            {
                field.name: getattr(mouse, field.name)
                for field in dataclasses.fields(mouse)
                if field.name not in ("scene_ranks", "grating_ranks", "window_ranks")
            }
            for mouse in mice
        ],
    }


if __name__ == "__main__":
    raise SystemExit(main())
