"""From LSL's buffer into the ring, without Python in between.

``NativePump`` calls liblsl from compiled code: it sleeps in liblsl until a row
comes, drains what is there, ingests it, and comes back when the watermark has
passed the window's end or the time is up. Python wakes once a window, not once
a chunk. ``PlainPump`` does the same through pylsl where that cannot be had
(13-19 % slower at the median).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import WATERMARK_US, Intake, ingest
from rtdecode.kernels.jit import kernel
from rtdecode.kernels.liblsl import NO_STREAM, drain, link, local_clock
from rtdecode.kernels.parts import slowest
from rtdecode.kernels.prompt import Prompt, answer, no_prompt
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.kernels.sums import Sums, add_to_open
from rtdecode.microseconds import FOREVER_US, US_PER_S
from rtdecode.streams import SpikeInlet, clock_us, library_path

ROWS_PER_PULL = 1 << 16
# Where more comes than can be taken, the clock is looked at after so many: a millisecond's work.
ROWS_PER_LOOK = 1 << 13
# When time is up, after a stall, what is here already is taken for so long still.
GRACE_S = 0.005
# Python's signal handlers run only between calls: Ctrl-C waits this long at most.
LONGEST_WAIT_S = 0.02


class RowInlet(Protocol):
    """Gives rows of spikes and watermarks, whatever it receives."""

    has_events: bool
    """One spike a row, so that the same row twice is a duplicate."""

    def pull(self, timeout_s: float = 0.0) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Wait for the first row, then take what is there; see ``SpikeInlet.pull``."""


class Pump(Protocol):
    """Moves rows from spike streams into an engine."""

    def until(self, watermark_us: int, deadline_us: int, latest_us: int) -> None:
        """Ingest rows until the watermark has come this far or the LSL clock has.

        Parameters
        ----------
        watermark_us : int
            Stream time.
        deadline_us : int
            LSL clock.
        latest_us : int
            Stream time; a stamp after this is malformed. It moves on with the
            clock past the deadline: a process that was stopped on the way finds
            rows that are younger than the call.
        """

    def sum_into(self, sums: Sums) -> None:
        """Add spikes to these sums from here on; of the same shapes as those before."""

    def answer_with(self, prompt: Prompt) -> bool:
        """Answer the window that is expected there as soon as ``until`` reaches its watermark.

        False where this pump leaves that to Python.
        """


class PlainPump:
    """Through pylsl; Python runs once a chunk. Of one stream or several, of counts too."""

    def __init__(self, inlets: Sequence[RowInlet], engine: Engine, sums: Sums) -> None:
        self._inlets = inlets
        self._sums = sums
        self._engine = engine
        self._times_us = np.empty(ROWS_PER_PULL, np.int64)

    def sum_into(self, sums: Sums) -> None:
        """See ``Pump.sum_into``."""
        self._sums = sums

    def answer_with(self, prompt: Prompt) -> bool:
        """See ``Pump.answer_with``."""
        return False

    def until(self, watermark_us: int, deadline_us: int, latest_us: int) -> None:
        """See ``Pump.until``."""
        engine, n = self._engine, len(self._inlets)
        while True:
            wait_s = min(max((deadline_us - clock_us()) / US_PER_S, 0.0), LONGEST_WAIT_S)
            # No window is complete before the slowest stream has spoken: wait for that one.
            first = 0 if engine.parts is None else slowest(engine.parts)
            for turn in range(n):
                self._take((first + turn) % n, 0.0 if turn else wait_s, deadline_us, latest_us)
            add_to_open(engine.intake.ring, self._sums)
            if engine.watermark_us >= watermark_us or clock_us() >= deadline_us:
                return

    def _take(self, stream: int, wait_s: float, deadline_us: int, latest_us: int) -> None:
        inlet, engine = self._inlets[stream], self._engine
        samples, stamps = inlet.pull(wait_s)
        n = len(stamps)
        stamps_to_us(stamps, n, self._times_us)
        overrun_us = max(0, clock_us() - deadline_us)
        dedup_us = engine.settings.dedup_us if inlet.has_events else 0
        engine.take(stream, samples, self._times_us, n, latest_us + overrun_us, dedup_us)


class NativePump:
    """Through liblsl's C functions, in one compiled loop.

    Raises
    ------
    OSError
        If liblsl cannot be loaded for compiled code.
    """

    def __init__(self, inlet: SpikeInlet | NoInlet, engine: Engine, sums: Sums) -> None:
        self._sums = sums
        self._prompt = no_prompt()
        self._inlet = inlet  # keeps the handle alive
        self._engine = engine
        link(library_path())
        self._samples = np.zeros((ROWS_PER_LOOK, 2), np.int32)
        self._stamps = np.zeros(ROWS_PER_LOOK)
        self._times_us = np.zeros(ROWS_PER_LOOK, np.int64)
        self._error = np.zeros(1, np.int32)

    def sum_into(self, sums: Sums) -> None:
        """See ``Pump.sum_into``."""
        self._sums = sums

    def answer_with(self, prompt: Prompt) -> bool:
        """See ``Pump.answer_with``."""
        self._prompt = prompt
        return True

    def until(self, watermark_us: int, deadline_us: int, latest_us: int) -> None:
        """See ``Pump.until``."""
        engine = self._engine
        code = run_pump(
            self._inlet.handle,
            engine.intake,
            self._sums,
            self._prompt,
            self._samples,
            self._stamps,
            self._times_us,
            self._error,
            watermark_us,
            deadline_us / US_PER_S,
            latest_us,
            engine.settings.dedup_us,
        )
        if code:
            raise UserError(
                f"expected rows from stream {self._inlet.stream}, found liblsl's error {code}: "
                "see that its sender still runs, then start again"
            )


@kernel
def run_pump(
    handle: int,
    intake: Intake,
    sums: Sums,
    prompt: Prompt,
    samples: np.ndarray[Any, np.dtype[np.int32]],
    stamps: np.ndarray[Any, np.dtype[np.float64]],
    times_us: np.ndarray[Any, np.dtype[np.int64]],
    error: np.ndarray[Any, np.dtype[np.int32]],
    watermark_us: int,
    deadline_s: float,
    latest_us: int,
    dedup_us: int,
) -> int:
    """Take rows of one stream until the watermark or the time is there; liblsl's error or 0."""
    error[0] = 0
    over_s = -1.0
    while True:
        wait_s = min(max(deadline_s - local_clock(), 0.0), LONGEST_WAIT_S)
        n = drain(handle, samples, stamps, error, wait_s)
        stamps_to_us(stamps, n, times_us)
        overrun_us = int(max(0.0, local_clock() - deadline_s) * US_PER_S)
        ingest(intake, samples, times_us, n, latest_us + overrun_us, dedup_us)
        add_to_open(intake.ring, sums)
        # A time-out (-1) is the ordinary end of a wait in vain.
        if error[0] != 0 and error[0] != -1:
            return int(error[0])
        if intake.state[WATERMARK_US] >= watermark_us:
            answer(prompt, intake.ring, sums)
            return 0
        now_s = local_clock()
        if over_s < 0.0 and now_s >= deadline_s:
            over_s = now_s
        if over_s >= 0.0 and (n < len(stamps) or now_s >= over_s + GRACE_S):
            return 0


class NoInlet:
    """In place of an inlet where none is open yet."""

    handle = NO_STREAM
    stream = "none"


def compile_pump(engine: Engine, sums: Sums) -> None:
    """Compile what moves rows, before a stream is open that would send meanwhile.

    Compiled once a machine; some 10 s then. Does nothing where liblsl cannot be
    called from compiled code.
    """
    streams = 1 if engine.parts is None else len(engine.parts.aside)
    try:
        _native_pump([NoInlet()] * streams, engine, sums).until(FOREVER_US, 0, FOREVER_US)
    except (OSError, RuntimeError):
        return


def _native_pump(inlets: Sequence[SpikeInlet | NoInlet], engine: Engine, sums: Sums) -> Pump:
    """Of one stream or several, as the engine expects."""
    if engine.parts is None:
        return NativePump(inlets[0], engine, sums)
    from rtdecode.pump_several import SeveralPump

    return SeveralPump(inlets, engine, sums)


def make_pump(inlets: Sequence[RowInlet], engine: Engine, sums: Sums, native: bool = True) -> Pump:
    """The fastest pump that this machine allows; ``native=False`` asks for the plain one."""
    spikes = [inlet for inlet in inlets if isinstance(inlet, SpikeInlet)]
    if not native or len(spikes) < len(inlets):
        return PlainPump(inlets, engine, sums)
    try:
        return _native_pump(spikes, engine, sums)
    except (OSError, RuntimeError):
        return PlainPump(inlets, engine, sums)
