"""What this machine lacks for decoding, and the line that mends each.

Whatever might crash, hang or print (liblsl, Qt, torch, compiled code) is asked
in a child process, so that the doctor outlives what it examines.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from rtdecode import qt_libraries
from rtdecode.files import check_writable

CHILD_TIMEOUT_S = 120.0
NAPS = 500
NAP_S = 1e-3
# A window's end is awaited to 1.5 ms; a sleep that overshoots by more comes late.
LONGEST_OVERSHOOT_MS = 1.5
EXTRAS = ("gui", "nwb", "allen", "onnx", "serial", "bridge")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name : str
        What was looked at.
    ok : bool
    found : str
    mend : str
        The line that mends it; empty where there is nothing to mend.
    needed : bool
        Whether decoding does without it.
    """

    name: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True


@dataclass(frozen=True)
class Answer:
    """What a child process said: its exit code and the text it left."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        """The last line, where an exception's message stands."""
        lines = self.text.strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}, without a word"


def ask_child(code: str) -> Answer:
    """Run Python code in a process of its own."""
    offscreen = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    try:
        child = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=CHILD_TIMEOUT_S,
            env=offscreen,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(1, f"no answer within {CHILD_TIMEOUT_S:.0f} s")
    return Answer(child.returncode, child.stderr if child.returncode else child.stdout)


def check_child(name: str, code: str, mend: str, needed: bool = True) -> Finding:
    """Run a child that prints what it found; its last line, and whether it came through."""
    answer = ask_child(code)
    ok = answer.code == 0
    return Finding(name, ok, answer.last_line, "" if ok else mend, needed)


def check_python() -> Iterator[Finding]:
    """The interpreter's version against what the package asks for."""
    wanted = importlib.metadata.metadata("rtdecode")["Requires-Python"]
    found = "{}.{}.{}".format(*sys.version_info[:3])
    ok = Requirement(f"python{wanted}").specifier.contains(found)
    yield Finding("Python", ok, found, "" if ok else f"install a Python {wanted}")


def check_packages() -> Iterator[Finding]:
    """Every distribution that the package and its extras name: there, and of a fitting version."""
    for text in importlib.metadata.requires("rtdecode") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield _check_package(requirement, needed=True)
        elif any(marker.evaluate({"extra": extra}) for extra in EXTRAS):
            yield _check_package(requirement, needed=False)


def _check_package(requirement: Requirement, needed: bool) -> Finding:
    wanted = f"{requirement.name}{requirement.specifier}"
    mend = f'{sys.executable} -m pip install "{wanted}"'
    try:
        found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(requirement.name, False, "not installed", mend, needed)
    ok = requirement.specifier.contains(found, prereleases=True)
    return Finding(requirement.name, ok, found, "" if ok else mend, needed)


def check_liblsl() -> Iterator[Finding]:
    """Whether pylsl finds its library, and which."""
    yield check_child(
        "liblsl",
        "from rtdecode import streams; print(streams.library())",
        "pip install --force-reinstall pylsl; where its wheel brings no liblsl, "
        "install liblsl and set PYLSL_LIB to its path",
    )


def check_streams() -> Iterator[Finding]:
    """What streams answer on the network within a second; none is no fault."""
    answer = ask_child(
        "from rtdecode import streams\n"
        "print('; '.join(map(str, streams.streams_on_network(1.0))) or 'none')"
    )
    mend = ""
    if answer.code or answer.last_line == "none":
        mend = "start one (rtdecode replay SESSION); let UDP port 16571 through the firewall"
    found = answer.last_line
    yield Finding("LSL streams", answer.code == 0, found, mend, needed=False)


def check_qt() -> Iterator[Finding]:
    """Whether a window can be made without a screen, and on one."""
    if sys.platform == "linux":
        yield _check_libraries("Qt libraries", qt_libraries.ALWAYS, needed=True)
        on_screen = "DISPLAY" in os.environ
        yield _check_libraries("Qt libraries, screen", qt_libraries.ON_SCREEN, needed=on_screen)
    yield check_child(
        "Qt window",
        "from PyQt6.QtCore import QT_VERSION_STR\n"
        "from PyQt6.QtWidgets import QApplication, QWidget\n"
        "app = QApplication([]); QWidget().show(); print('Qt', QT_VERSION_STR, 'draws')",
        f'{sys.executable} -m pip install "rtdecode[gui]", and the libraries above',
        needed=False,
    )


def _check_libraries(name: str, table: dict[str, str], needed: bool) -> Finding:
    missing = qt_libraries.missing(table)
    if not missing:
        return Finding(name, True, f"all {len(table)} there", needed=needed)
    packages = " ".join(sorted(set(missing.values())))
    return Finding(
        name, False, f"missing: {', '.join(missing)}", f"sudo apt-get install {packages}", needed
    )


def check_torch() -> Iterator[Finding]:
    """Whether torch loads and multiplies."""
    yield check_child(
        "torch runs",
        "import torch; torch.ones(2, 2) @ torch.ones(2, 2)\n"
        "print(torch.__version__, 'with', torch.get_num_threads(), 'threads')",
        f'{sys.executable} -m pip install --force-reinstall "torch>=2.6,<2.14"',
    )


def check_kernels() -> Iterator[Finding]:
    """Whether compiled kernels can be kept on disk; else each start compiles for seconds."""
    yield check_child(
        "Numba cache",
        "import os\n"
        "from rtdecode.kernels.binning import bin_window\n"
        "path = bin_window.stats.cache_path\n"
        "os.makedirs(path, exist_ok=True)\n"
        "assert os.access(path, os.W_OK), f'{path} is not writable'\n"
        "print(path)",
        "set NUMBA_CACHE_DIR to a folder that can be written",
    )


def check_timer() -> Iterator[Finding]:
    """How much longer than asked a sleep of one millisecond lasts."""
    overshoot_ms = np.empty(NAPS)
    for i in range(NAPS):
        started = time.perf_counter()
        time.sleep(NAP_S)
        overshoot_ms[i] = (time.perf_counter() - started - NAP_S) * 1e3
    p50, p99 = np.percentile(overshoot_ms, [50, 99])
    ok = bool(p99 <= LONGEST_OVERSHOOT_MS)
    found = f"1 ms sleep late by p50 {p50:.2f}, p99 {p99:.2f}, max {overshoot_ms.max():.2f} ms"
    mend = "" if ok else "close other programs; set the processor to full speed, not power saving"
    yield Finding("Timer jitter", ok, found, mend, needed=False)


def check_clock() -> Iterator[Finding]:
    """The finest step of the monotonic clock, as stated and as seen."""
    stated = time.get_clock_info("monotonic").resolution
    ticks = np.array([time.monotonic_ns() for _ in range(20_000)])
    steps = np.diff(ticks)
    seen_us = float(steps[steps > 0].min()) / 1e3
    ok = seen_us <= 1_000
    found = f"states {stated * 1e6:g} us, steps of {seen_us:g} us seen"
    mend = "" if ok else "use a machine whose clock steps in microseconds"
    yield Finding("Clock", ok, found, mend, needed=False)


def check_priority() -> Iterator[Finding]:
    """Whether this user may ask for real-time scheduling."""
    if not hasattr(os, "sched_setscheduler"):
        yield Finding("Real-time priority", True, "not offered by this system", needed=False)
        return
    yield check_child(
        "Real-time priority",
        "import os\n"
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))\n"
        "print('SCHED_FIFO permitted')",
        "add '@realtime - rtprio 50' to /etc/security/limits.conf and join that group",
        needed=False,
    )


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_liblsl,
    check_torch,
    check_kernels,
    check_qt,
    check_streams,
    check_clock,
    check_timer,
    check_priority,
)


def examine(console: Console | None = None) -> list[Finding]:
    """Run every check.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where the progress bar goes; none without.
    """
    quiet = console is None
    checks = track(CHECKS, "examining", console=console, disable=quiet, transient=True)
    return [finding for check in checks for finding in check()]


def is_fit(findings: list[Finding]) -> bool:
    """Whether all is there that decoding needs."""
    return all(finding.ok for finding in findings if finding.needed)


def table_of(findings: list[Finding]) -> Table:
    """The findings as a table, with the line that mends each fault below it."""
    table = Table(title="rtdecode doctor")
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        sign = "[green]ok" if finding.ok else "[red]MISSING" if finding.needed else "[yellow]note"
        mend = f"\n[bold]{escape(finding.mend)}" if finding.mend else ""
        table.add_row(sign, escape(finding.name), escape(finding.found) + mend)
    return table


def run_doctor(figures: Path | None = None, force: bool = False) -> bool:
    """Examine, print the table, write the findings as JSON where asked.

    Returns
    -------
    bool
        Whether all is there that decoding needs.

    Raises
    ------
    UserError
        If the JSON file exists and ``force`` is not given.
    """
    if figures is not None:
        check_writable(figures, force)
    console = Console()
    findings = examine(console)
    console.print(table_of(findings))
    fit = is_fit(findings)
    if figures is not None:
        report = {"ok": fit, "findings": [asdict(finding) for finding in findings]}
        figures.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return fit
