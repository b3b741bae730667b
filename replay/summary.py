"""How the demo went: live beside offline, chance, latency, and what became of every spike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rtdecode.latency import STAGES


@dataclass(frozen=True)
class Comparison:
    """The same windows decoded live and offline."""

    live: dict[str, Any]
    offline: dict[str, Any]
    same_windows: bool
    same_counts: bool
    same_probabilities: bool

    @classmethod
    def read(cls, folder: Path) -> Comparison:
        """From what the two runs have written."""
        live, offline = (_read_arrays(folder / f"{name}.npz") for name in ("live", "offline"))
        return cls(
            json.loads((folder / "live.json").read_text()),
            json.loads((folder / "offline.json").read_text()),
            *(
                np.array_equal(live[name], offline[name])
                for name in ("onset_us", "counts", "probabilities")
            ),
        )

    def figures(self) -> dict[str, object]:
        """The comparison as plain data."""
        return {
            "windows": self.live["windows"],
            "windows_offline": self.offline["windows"],
            "windows_incomplete": self.live["windows_incomplete"],
            "accuracy": self.live["accuracy"],
            "accuracy_offline": self.offline["accuracy"],
            "chance": self.live["chance"],
            "same_windows": self.same_windows,
            "same_counts": self.same_counts,
            "same_probabilities": self.same_probabilities,
            "latency_ms": self.live["latency_ms"],
            "spikes": self.live["spikes"],
        }


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def print_summary(figures: Mapping[str, Any], picture: Path) -> None:
    """The figures of a demo as a person reads them."""
    console = Console(highlight=False, emoji=False)
    console.print()
    origin = "simulated" if figures["simulated"] else "recorded"
    console.print(f"[bold]{figures['task']}[/] from {origin} session {figures['session']}")
    console.print(_results(figures))
    console.print(latency_table(figures["latency_ms"]))
    console.print(_spikes(figures["spikes"]))
    if picture.exists():
        console.print(f"picture of the display: {picture}")


def _results(figures: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "live", "offline", "chance"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row(
        "windows decoded", f"{figures['windows']:,}", f"{figures['windows_offline']:,}", ""
    )
    table.add_row(
        "accuracy",
        _percent(figures["accuracy"]),
        _percent(figures["accuracy_offline"]),
        _percent(figures["chance"]),
    )
    names = ("windows", "counts", "probabilities")
    equal = [f"{name} {'equal' if figures[f'same_{name}'] else 'DIFFERENT'}" for name in names]
    table.add_row("live against offline", *equal)
    return table


def _percent(share: float | None) -> str:
    return "no labels" if share is None else f"{share:.1%}"


def latency_table(latency_ms: Mapping[str, Mapping[str, float]]) -> Table:
    """Percentiles by stage, milliseconds."""
    table = Table(box=None, pad_edge=False)
    table.add_column("latency, ms after the window's end")
    shown = [stage for stage in STAGES if stage in latency_ms]
    names = list(latency_ms[shown[0]]) if shown else []
    for name in names:
        table.add_column(name, justify="right")
    for stage in shown:
        table.add_row(stage, *(f"{latency_ms[stage][name]:.2f}" for name in names))
    return table


def _spikes(spikes: Mapping[str, int]) -> str:
    total = sum(spikes.values())
    parts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in spikes.items())
    return f"{total:,} spikes: {parts}"
