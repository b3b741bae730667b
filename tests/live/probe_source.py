"""One of two probes that run until killed: each has every second unit of a bundle.

Run as a process: BUNDLE NAME 0|1 [markers] [skips]. With ``skips`` ten rows are numbered and
never sent, every 100 ms.
"""

import sys
import time

import numpy as np

from rtdecode import streams
from rtdecode.decoder import Decoder
from rtdecode.session.model import Units

STEP_US, MARK_EVERY, SKIP_EVERY, SKIPPED = 1000, 200, 100, 10


def main(bundle, name, half, options):
    ids = np.array(Decoder.load(bundle).info.unit_ids, np.int64)[int(half) :: 2]
    n = len(ids)
    units = Units(ids, np.full(n, ""), np.full(n, np.nan), np.full(n, name))
    spikes = streams.SpikeOutlet(units, f"probe-{name}", source_id=f"the-probe-{name}")
    stimuli = streams.TextOutlet(streams.STIMULI) if "markers" in options else None
    while not spikes.has_consumers():
        time.sleep(0.01)
    sent_us, step = streams.clock_us(), 0
    while True:
        time.sleep(0.002)
        now_us = streams.clock_us()
        times_us = np.arange(sent_us, now_us, STEP_US)
        rows = np.append(ids[(step + np.arange(len(times_us))) % n], streams.WATERMARK)
        sent_us += len(times_us) * STEP_US
        spikes.push(rows.astype(np.int32), np.append(times_us, sent_us))
        if stimuli is not None and passed(step, len(times_us), MARK_EVERY):
            stimuli.push("90", now_us)
        if "skips" in options and passed(step, len(times_us), SKIP_EVERY):
            spikes.sequence += SKIPPED
        step += len(times_us)


def passed(step, more, every):
    """Whether a multiple lies among the next steps."""
    return step // every != (step + more) // every


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
