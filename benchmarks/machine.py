"""What every benchmark tells beside its figures: machine, versions, load; and where they go."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from rtdecode import streams
from rtdecode.files import check_writable

PACKAGES = ("rtdecode", "numpy", "numba", "torch", "pylsl")

console = Console(emoji=False, highlight=False)
progress_console = Console(stderr=True, emoji=False)


def describe_machine() -> dict[str, object]:
    """The machine, the versions that matter, and how busy it is at this moment."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "versions": _versions(),
        "load_1min": round(psutil.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    """The processor's name as the system tells it; Linux keeps it in a file of its own."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "liblsl": streams.library().split()[0]}
    for name in PACKAGES:
        found[name] = installed(name) or "none"
    return found


def installed(package: str) -> str | None:
    """Version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_heading(title: str, machine: Mapping[str, object], **conditions: object) -> None:
    """Print what was measured and where: machine, versions, load, then the conditions.

    Parameters
    ----------
    title : str
    machine : mapping
        As ``describe_machine`` gives it, taken before the load of the benchmark itself.
    conditions
        n, rates, lengths: whatever the figures depend on.
    """
    console.print(f"[bold]{title}[/bold]")
    versions = machine["versions"]
    assert isinstance(versions, Mapping)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, load {machine['load_1min']}"
    )
    console.print(", ".join(f"{name} {number}" for name, number in versions.items()))
    if conditions:
        console.print(", ".join(f"{name} {_text(value)}" for name, value in conditions.items()))


def print_rows(rows: list[dict[str, object]], columns: tuple[str, ...]) -> None:
    """Print rows of figures as a table; a value that a row lacks is left empty."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right" if name != columns[0] else "left")
    for row in rows:
        table.add_row(*(_text(row.get(name, "")) for name in columns))
    console.print(table)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def check_json(path: Path | None, force: bool) -> None:
    """Refuse a file that exists, before any work is done.

    Raises
    ------
    UserError
    """
    if path is not None:
        check_writable(path, force)


def write_json(path: Path | None, figures: Mapping[str, object], force: bool = False) -> None:
    """Write a benchmark's figures; nothing without a path.

    Raises
    ------
    UserError
        If the file exists and ``force`` is not given.
    """
    if path is not None:
        check_writable(path, force)
        path.write_text(json.dumps(figures, indent=1) + "\n")
