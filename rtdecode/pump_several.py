"""From the buffers of several spike streams into one ring, in compiled code.

No window is complete before the slowest stream's watermark has passed its end,
so the loop sleeps in liblsl until that one speaks, and takes what the others
have sent meanwhile. A single stream has a loop of its own, in ``pump``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import WATERMARK_US, Intake
from rtdecode.kernels.jit import kernel
from rtdecode.kernels.liblsl import drain, link, local_clock
from rtdecode.kernels.parts import Parts, gather, ingest_part, slowest
from rtdecode.kernels.prompt import Prompt
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.kernels.sums import Sums, add_to_open
from rtdecode.microseconds import US_PER_S
from rtdecode.pump import LONGEST_WAIT_S, ROWS_PER_PULL, NoInlet
from rtdecode.streams import SpikeInlet, library_path


class SeveralPump:
    """Through liblsl's C functions, in one compiled loop over all streams; see ``Pump``.

    Raises
    ------
    OSError
        If liblsl cannot be loaded for compiled code.
    """

    def __init__(self, inlets: Sequence[SpikeInlet | NoInlet], engine: Engine, sums: Sums) -> None:
        self._inlets = inlets  # keeps the handles alive
        if engine.parts is None:
            raise ValueError("expected an engine of several streams, found one of one")
        self._engine, self._parts = engine, engine.parts
        self._sums = sums
        link(library_path())
        self._handles = np.array([inlet.handle for inlet in inlets], np.int64)
        self._samples = np.zeros((ROWS_PER_PULL, 2), np.int32)
        self._stamps = np.zeros(ROWS_PER_PULL)
        self._times_us = np.zeros(ROWS_PER_PULL, np.int64)
        self._error = np.zeros(1, np.int32)

    def sum_into(self, sums: Sums) -> None:
        """See ``Pump.sum_into``."""
        self._sums = sums

    def answer_with(self, prompt: Prompt) -> bool:
        """See ``Pump.answer_with``."""
        return False

    def until(self, watermark_us: int, deadline_us: int, latest_us: int) -> None:
        """See ``Pump.until``."""
        engine = self._engine
        failed = run_pumps(
            self._handles,
            engine.intake,
            self._parts,
            self._sums,
            self._samples,
            self._stamps,
            self._times_us,
            self._error,
            watermark_us,
            deadline_us / US_PER_S,
            latest_us,
            engine.settings.dedup_us,
        )
        if failed >= 0:
            raise UserError(
                f"expected rows from stream {self._inlets[failed].stream}, found liblsl's error "
                f"{self._error[0]}: see that its sender still runs, then start again"
            )


@kernel
def run_pumps(
    handles: np.ndarray[Any, np.dtype[np.int64]],
    intake: Intake,
    parts: Parts,
    sums: Sums,
    samples: np.ndarray[Any, np.dtype[np.int32]],
    stamps: np.ndarray[Any, np.dtype[np.float64]],
    times_us: np.ndarray[Any, np.dtype[np.int64]],
    error: np.ndarray[Any, np.dtype[np.int32]],
    watermark_us: int,
    deadline_s: float,
    latest_us: int,
    dedup_us: int,
) -> int:
    """Take rows of all streams until the watermark or the time is there; which failed, or -1."""
    while True:
        wait_s = min(max(deadline_s - local_clock(), 0.0), LONGEST_WAIT_S)
        first = slowest(parts)
        for turn in range(len(handles)):
            stream = (first + turn) % len(handles)
            error[0] = 0
            n = drain(handles[stream], samples, stamps, error, wait_s)
            wait_s = 0.0
            stamps_to_us(stamps, n, times_us)
            overrun_us = int(max(0.0, local_clock() - deadline_s) * US_PER_S)
            ingest_part(
                intake, parts, stream, samples, times_us, n, latest_us + overrun_us, dedup_us
            )
            # A time-out (-1) is the ordinary end of a wait in vain.
            if error[0] != 0 and error[0] != -1:
                return stream
        gather(intake, parts)
        add_to_open(intake.ring, sums)
        if intake.state[WATERMARK_US] >= watermark_us or local_clock() >= deadline_s:
            return -1
