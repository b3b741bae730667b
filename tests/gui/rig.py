"""A source and a decoder in one process, for the display to be tested on: real streams.

Run as ``python -m tests.gui.rig``; waits for a listener, sends, and prints what it sent.
Every decision is right, and its class goes round in order.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from rtdecode import streams
from rtdecode.microseconds import US_PER_S
from tests.gui.known import CLASSES, units

STEP_US, WINDOW_EVERY_US, HEALTH_EVERY_US = 10_000, 500_000, 200_000


class Rig:
    """Outlets of all six streams, and the tallies of what went out.

    Parameters
    ----------
    n_units : int
    """

    def __init__(self, n_units: int) -> None:
        self.n_units = n_units
        self.spikes = streams.SpikeOutlet(units(n_units))
        self.texts = {
            name: streams.TextOutlet(name)
            for name in (streams.STIMULI, streams.DECISIONS, streams.TRIGGERS, streams.HEALTH)
        }
        about = {"task": "drifting_gratings.orientation", "window": "0:100", "deadline_ms": 5}
        self.posterior = streams.PosteriorOutlet(CLASSES, about)
        self.sent = {"spikes": 0, "decisions": 0, "last_us": 0}

    def wait(self) -> None:
        """Until somebody listens to every stream."""
        outlets = (self.spikes, *self.texts.values())
        while not all(outlet.has_consumers() for outlet in outlets):
            time.sleep(0.02)
        time.sleep(0.3)

    def step(self, number: int, now_us: int, per_step: int) -> None:
        """Send the spikes of one step, and what else falls due."""
        times = now_us + np.arange(per_step) * STEP_US // max(1, per_step)
        ids = 100 + np.arange(per_step) % self.n_units
        mark_us = now_us + STEP_US
        self.spikes.push(np.append(ids, streams.WATERMARK), np.append(times, mark_us))
        self.sent["spikes"] += per_step
        self.sent["last_us"] = mark_us
        if number * STEP_US % HEALTH_EVERY_US == 0:
            health = {"state": "DECODING", "spikes": {"on_time": self.sent["spikes"]}}
            health["every_ms"] = HEALTH_EVERY_US / 1_000
            self.texts[streams.HEALTH].push_json(health, streams.clock_us())
        if number * STEP_US % WINDOW_EVERY_US == 0:
            self._decide(mark_us)

    def _decide(self, end_us: int) -> None:
        number = self.sent["decisions"]
        label = CLASSES[number % len(CLASSES)]
        onset_us = end_us - 100_000
        self.texts[streams.STIMULI].push_json({"orientation": float(label)}, onset_us)
        row = np.full(len(CLASSES), 0.1, np.float32)
        row[number % len(CLASSES)] = 0.7
        self.posterior.push(row, end_us)
        said = {"window": number, "onset_us": onset_us, "start_us": onset_us, "end_us": end_us}
        said |= {"top": label, "label": label, "p": 0.7, "stages_ms": {"infer": 0.2}}
        self.texts[streams.DECISIONS].push_json(said, end_us)
        self.texts[streams.TRIGGERS].push_json({"fired": True}, streams.clock_us())
        self.sent["decisions"] += 1


def run(rig: Rig, seconds: float, speed: float, rate: int) -> None:
    """Send `seconds` of stream time at `speed`."""
    rig.wait()
    start_us, began_s = streams.clock_us(), time.monotonic()
    for number in range(round(seconds * US_PER_S / STEP_US)):
        due_s = began_s + number * STEP_US / US_PER_S / speed
        time.sleep(max(0.0, due_s - time.monotonic()))
        rig.step(number, start_us + number * STEP_US, rate * STEP_US // US_PER_S)
    rig.texts[streams.STIMULI].push('{"rtdecode": "end"}', rig.sent["last_us"])


def main() -> None:
    """Read the command line, send, print, and stay until told to go."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--rate", type=int, default=2_000)
    asked = parser.parse_args()
    rig = Rig(asked.units)
    run(rig, asked.seconds, asked.speed, asked.rate)
    print(json.dumps(rig.sent), flush=True)
    time.sleep(60)  # an outlet that goes takes with it what is not yet delivered


if __name__ == "__main__":
    main()
