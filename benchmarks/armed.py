"""From decision to byte: a trigger that fires at every window into a pseudo-terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.random_bundle import CLASSES
from rtdecode import control

NAME = "rtdecode-bench"
OPEN_LIMITS = ("refractory_ms=0", "per_minute=6000", "per_session=1000000")


@dataclass(frozen=True)
class Port:
    """A serial port that nobody but us reads; ``options`` have a decoder fire into it."""

    options: tuple[str, ...]

    @contextmanager
    def armed(self) -> Iterator[None]:
        """The decoder's trigger is armed inside."""
        control.send(NAME, "arm")
        try:
            yield
        finally:
            control.send(NAME, "disarm")


@contextmanager
def serial_port() -> Iterator[Port | None]:
    """A port for as long as the block runs; none where there are no pseudo-terminals."""
    if sys.platform == "win32":
        yield None
        return
    board, port = os.openpty()
    classes = json.dumps([str(number) for number in range(CLASSES)])
    settings = [f"trigger.{limit}" for limit in (*OPEN_LIMITS, f"classes={classes}")]
    settings += [f"name={NAME}", f"outputs.serial.port={os.ttyname(port)}"]
    try:
        yield Port(tuple(word for setting in settings for word in ("-o", setting)))
    finally:
        os.close(board)
        os.close(port)
