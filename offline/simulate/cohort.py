"""Simulate mouse after mouse, with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from offline.simulate.mouse import simulate_mouse
from offline.simulate.nwb_file import write_mouse
from offline.simulate.profiles import PROFILES


def write_cohort(paths: Sequence[Path], profile: str, seed: int, progress: bool) -> None:
    """Simulate and write one mouse a path; see ``offline.simulate.simulate``."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=not progress) as bars:
        for number, path in enumerate(paths):
            bar = bars.add_task(f"mouse {number + 1} of {len(paths)}: units", total=None)

            def on_unit(done: int, units: int, bar=bar) -> None:  # type: ignore[no-untyped-def]
                bars.update(bar, completed=done, total=units)

            mouse = simulate_mouse(PROFILES[profile], (seed, number), on_unit)
            bars.update(bar, description=f"mouse {number + 1} of {len(paths)}: {path.name}")
            write_mouse(path, mouse, profile, (seed, number))
