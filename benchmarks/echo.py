"""The floor: a process that answers each window at once, and decodes nothing.

It receives the same spikes and markers as the decoder, by the same compiled
pull, and sends a sample of a posterior's size as soon as the watermark has
passed a window's end. What it takes is the wire and the wake-ups alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.random_bundle import CLASSES
from rtdecode import streams
from rtdecode.errors import UserError
from rtdecode.kernels.jit import kernel
from rtdecode.kernels.liblsl import drain, link, local_clock
from rtdecode.microseconds import US_PER_S
from rtdecode.pump import ROWS_PER_PULL
from rtdecode.realtime import settle

FLOOR_STIMULI, FLOOR_POSTERIOR = "floor-stimuli", "floor-posterior"
FIND_S = 60.0
IDLE_US = 10_000


@kernel
def watch(
    handle: int,
    samples: np.ndarray[Any, np.dtype[np.int32]],
    stamps: np.ndarray[Any, np.dtype[np.float64]],
    error: np.ndarray[Any, np.dtype[np.int32]],
    end_s: float,
    deadline_s: float,
) -> float:
    """Drain an inlet until its watermark has come this far or the clock has."""
    mark_s = 0.0
    while mark_s < end_s and local_clock() < deadline_s:
        wait_s = min(max(deadline_s - local_clock(), 0.0), 0.02)
        n = drain(handle, samples, stamps, error, wait_s)
        for i in range(n):
            if samples[i, 0] == -1:
                mark_s = stamps[i]
    return mark_s


class Echo:
    """Answers windows until a marker says the end."""

    def __init__(self, duration_us: int) -> None:
        self._duration_us = duration_us
        self._posterior = streams.PosteriorOutlet(
            [str(i) for i in range(CLASSES)], {}, FLOOR_POSTERIOR
        )
        self._answer = np.full(CLASSES, 1 / CLASSES, np.float32)
        self._ends_us: list[int] = []
        self._stopped = False
        link(streams.library_path())
        self._buffers = (
            np.zeros((ROWS_PER_PULL, 2), np.int32),
            np.zeros(ROWS_PER_PULL),
            np.zeros(1, np.int32),
        )

    def run(self) -> None:
        """Find the streams, then answer."""
        spikes = streams.SpikeInlet(_found(streams.SPIKES, streams.SPIKE_FORMAT))
        stimuli = streams.TextInlet(_found(FLOOR_STIMULI, streams.TEXT_FORMAT))
        watch(spikes.handle, *self._buffers, 0.0, 0.0)  # compiles
        spikes.open()
        stimuli.open()
        settle()
        while not self._stopped:
            self._turn(spikes, stimuli)

    def _turn(self, spikes: streams.SpikeInlet, stimuli: streams.TextInlet) -> None:
        for text, onset_us in stimuli.pull():
            self._stopped |= "end" in text
            self._ends_us.append(onset_us + self._duration_us)
        until_us = streams.clock_us() + IDLE_US
        end_us = self._ends_us[0] if self._ends_us else until_us * 2
        mark_s = watch(spikes.handle, *self._buffers, end_us / US_PER_S, until_us / US_PER_S)
        if mark_s * US_PER_S >= end_us:
            self._posterior.push(self._answer, self._ends_us.pop(0))


def _found(name: str, form: streams.Format) -> streams.Found:
    found = streams.find(name, form, FIND_S)
    if found is None:
        raise UserError(f"expected the benchmark's stream {name}; none came in {FIND_S:g} s")
    return found
