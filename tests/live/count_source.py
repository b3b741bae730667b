"""A rig that sends counts at 250 Hz, int16 or float32, and says what it sent.

Run as a process: BUNDLE DTYPE SENT_FILE [half] [gap]. A marker every 400 ms lies on the samples'
grid. With ``half`` every second unit alone is sent; with ``gap`` three samples are not, at one
place. It sends until its standard input ends.
"""

import sys
import threading
import time

import numpy as np

from rtdecode import streams
from rtdecode.decoder import Decoder

RATE, MARK_EVERY, GAP_AT, GAP = 250, 100, 333, 3
PERIOD_US = 1_000_000 // RATE


def main(bundle, dtype, sent_file, options):
    ids = np.array(Decoder.load(bundle).info.unit_ids, np.int64)
    ids = ids[::2] if "half" in options else ids
    outlet = streams.CountOutlet(ids, RATE, "the-counts", dtype=getattr(np, dtype))
    stimuli = streams.TextOutlet(streams.STIMULI)
    while not (outlet.has_consumers() and stimuli.has_consumers()):
        time.sleep(0.01)
    time.sleep(0.5)
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    rng, start_us, times_us, counts = np.random.default_rng(4), streams.clock_us(), [], []
    step = 0
    while not over.is_set():
        time_us = start_us + step * PERIOD_US
        time.sleep(max(0, time_us - streams.clock_us()) / 1e6)
        sample = rng.poisson(0.3, len(ids))
        if not ("gap" in options and GAP_AT <= step < GAP_AT + GAP):
            outlet.push(sample, time_us)
            times_us.append(time_us)
            counts.append(sample)
        if step % MARK_EVERY == 0:
            stimuli.push("90", time_us)
        step += 1
    np.savez(sent_file, times_us=times_us, counts=counts, ids=ids)


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
