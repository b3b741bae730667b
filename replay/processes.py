"""Several rtdecode commands at once, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console

from rtdecode.errors import UserError

POLL_S = 0.05
GRACE_S = 10.0


@dataclass(frozen=True)
class Part:
    """A process, whether the others make no sense without it, and where its words go."""

    name: str
    child: subprocess.Popen[str]
    needed: bool
    log: Path | None

    def last_words(self) -> str:
        """What a process that failed said last."""
        if self.log is None:
            return "see above"
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class Processes:
    """Starts commands, waits for all, and leaves none behind.

    Parameters
    ----------
    console : Console
        Where their names are told as they start.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._parts: list[Part] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts:
            if part.child.poll() is None:
                part.child.terminate()
        for part in self._parts:
            try:
                part.child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                part.child.kill()

    def start(
        self,
        name: str,
        arguments: Sequence[object],
        needed: bool = True,
        log: Path | None = None,
    ) -> None:
        """Start ``rtdecode`` with these arguments, its messages into ``log`` if given."""
        command = [sys.executable, "-m", "rtdecode.cli", *map(str, arguments)]
        # One thread each: three processes share the machine with the source's clock.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with Path(log or os.devnull).open("w") as said:
            child = subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=said if log else None,
            )
        self._console.print(f"started the {name} (process {child.pid})", highlight=False)
        self._parts.append(Part(name, child, needed, log))

    def wait(self, timeout_s: float) -> None:
        """Until all have ended.

        Raises
        ------
        UserError
            If one that is needed fails, or time is up.
        """
        until = time.monotonic() + timeout_s
        while any(part.child.poll() is None for part in self._parts):
            self._check()
            if time.monotonic() > until:
                running = [part.name for part in self._parts if part.child.poll() is None]
                raise UserError(
                    f"expected the demo to end within {timeout_s:.0f} s; the "
                    f"{' and the '.join(running)} still ran: see `rtdecode doctor`"
                )
            time.sleep(POLL_S)
        self._check()

    def _check(self) -> None:
        for part in self._parts:
            if part.needed and part.child.poll() not in (None, 0):
                raise UserError(
                    f"the {part.name} ended with code {part.child.returncode}: {part.last_words()}"
                )
