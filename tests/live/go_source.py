"""A rig that does what it is told: lines on standard input, each answered when it was done.

Run as a process: SOURCE_ID. Seven units fire, a spike a millisecond in turn, closed by a
watermark every two; a marker every 120 ms. What can be asked for is ``Source``'s methods.
"""

import json
import math
import os
import queue
import signal
import sys
import threading
import time

import numpy as np

from rtdecode import streams
from rtdecode.session.model import Units
from tests.live.go_bundle import GO, HANG, MANY, NAN, UNITS

STEP_US, MARK_US = 1000, 120_000
OTHERS = np.array([unit for unit in UNITS if unit not in (GO, HANG, NAN)])
STRANGER = 4711
SWITCHES = ("go", "hang", "nan", "marks", "shuffle", "twice")


class Source:
    """Spikes and markers; ``skew_us`` is what its clock is off."""

    def __init__(self, source_id):
        ids = np.array(UNITS, np.int64)
        n = len(ids)
        units = Units(ids, np.full(n, ""), np.full(n, np.nan), np.full(n, ""))
        self.spikes = streams.SpikeOutlet(units, source_id=source_id)
        self.stimuli = streams.TextOutlet(streams.STIMULI, f"{source_id}-stimuli")
        self.sent_us = streams.clock_us()
        self.marked_us = self.sent_us
        self.skew_us, self.per_step, self.step = 0, 1, 0
        self.saying = dict.fromkeys(SWITCHES, False) | {"marks": True}
        self.burst_until_us = 0

    def set(self, name, on):
        """Switch: go, hang, nan, marks, shuffle, twice."""
        self.saying[name] = on == "on"

    def skew(self, seconds):
        """The source's clock steps."""
        self.skew_us = round(float(seconds) * 1e6)

    def burst(self, seconds):
        """Fifty times the rate."""
        self.burst_until_us = streams.clock_us() + round(float(seconds) * 1e6)

    def stop(self):
        """Stand still (SIGSTOP) behind the next marker: within its window."""
        marked_us = self.marked_us
        while self.marked_us == marked_us:
            time.sleep(0.002)
            self._send()
        # liblsl sends by threads of its own; and we are yet to say that it is done.
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGSTOP)).start()

    def strangers(self, n):
        """Spikes of a unit that nobody knows."""
        self._push(np.full(int(n), STRANGER), np.full(int(n), self.sent_us))

    def stamped(self, what, n):
        """Spikes of the go unit with such a stamp, all in one chunk."""
        seconds = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.get(what)
        if seconds is None:
            seconds = streams.clock_us() / 1e6 + float(what)
        rows = np.empty((int(n), 2), np.int32)
        rows[:, 0] = GO
        rows[:, 1] = self.spikes.sequence + np.arange(int(n))
        self.spikes._outlet.push_chunk(rows, [seconds] * int(n))
        self.spikes.sequence += int(n)

    def text(self, off_s, *words):
        """A marker of this text, stamped so far from now."""
        off = {"nan": math.nan, "inf": math.inf}.get(off_s)
        stamp = streams.clock_us() / 1e6 + float(off_s) if off is None else off
        self.stimuli._outlet.push_sample([" ".join(words)], stamp)

    def run(self, told):
        """Send until standard input ends."""
        while True:
            time.sleep(0.002)
            try:
                line = told.get_nowait()
            except queue.Empty:
                line = ""
            if line is None:
                return
            self._send()
            if line:
                name, *arguments = line.split(" ")
                getattr(self, name)(*arguments)
                print(json.dumps({"done": line, "at_us": streams.clock_us()}), flush=True)

    def _send(self):
        now_us = streams.clock_us()
        times_us = np.arange(self.sent_us, now_us, STEP_US)
        n = len(times_us)
        self.sent_us += n * STEP_US
        rows = OTHERS[(self.step + np.arange(n)) % len(OTHERS)]
        self.step += n
        if now_us < self.burst_until_us:
            rows, times_us = np.repeat(rows, 50), np.repeat(times_us, 50) + np.tile(range(50), n)
        for unit, name, many in ((GO, "go", 1), (HANG, "hang", MANY), (NAN, "nan", MANY)):
            if self.saying[name] and n:
                rows = np.append(rows, np.full(many, unit))
                times_us = np.append(times_us, times_us[0] + 500 + np.arange(many))
        self._push(rows, times_us)
        self._push([streams.WATERMARK], [self.sent_us])
        if self.saying["marks"] and now_us - self.marked_us >= MARK_US:
            self.marked_us += MARK_US
            self.stimuli.push("go", self.marked_us)

    def _push(self, rows, times_us):
        rows, times_us = np.asarray(rows, np.int32), np.asarray(times_us, np.int64)
        if self.saying["shuffle"]:
            order = np.random.default_rng(self.step).permutation(len(rows))
            rows, times_us = rows[order], times_us[order]
        if self.saying["twice"] and len(rows) > 1:
            rows, times_us = np.tile(rows, 2), np.tile(times_us, 2)
        self.spikes.push(rows, times_us + self.skew_us)


def main(source_id):
    told = queue.Queue()

    def read():
        for line in sys.stdin:
            told.put(line.strip())
        told.put(None)

    threading.Thread(target=read, daemon=True).start()
    Source(source_id).run(told)


if __name__ == "__main__":
    main(sys.argv[1])
