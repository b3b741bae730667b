"""A rig that runs until it is killed: a spike a millisecond, a marker every 200 ms.

Run as a process: BUNDLE SOURCE_ID [hostile]. Its streams keep their source ids from run to
run. With ``hostile`` the markers begin with what no decoder should fall over.
"""

import math
import sys
import time

import numpy as np

from rtdecode import streams
from rtdecode.decoder import Decoder
from rtdecode.session.model import Units

STEP_US, MARK_EVERY = 1000, 200
HOUR_US = 3_600_000_000
# Text, and how far its stamp lies from now in microseconds.
HOSTILE = [
    ("", 0),
    ("{", 0),
    ('{"label": "90", "session_us": 1e999}', 0),
    ('{"stimulus_name": "static_gratings", "orientation": 1' + "0" * 400 + "}", 0),
    ('{"stimulus_name": "natural_scenes", "frame": 3}', 0),
    ("90", HOUR_US),
    ("90", -HOUR_US),
    ("90", math.nan),
    ("90", math.inf),
]


def main(bundle, source_id, hostile):
    ids = np.array(Decoder.load(bundle).info.unit_ids, np.int64)
    n = len(ids)
    spikes = streams.SpikeOutlet(
        Units(ids, np.full(n, ""), np.full(n, np.nan), np.full(n, "")), source_id=source_id
    )
    stimuli = streams.TextOutlet(streams.STIMULI, f"{source_id}-stimuli")
    while not (spikes.has_consumers() and stimuli.has_consumers()):
        time.sleep(0.01)
    sent_us, step = streams.clock_us(), 0
    while True:
        time.sleep(0.002)
        now_us = streams.clock_us()
        times_us = np.arange(sent_us, now_us, STEP_US)
        rows = np.append(ids[(step + np.arange(len(times_us))) % n], streams.WATERMARK)
        sent_us += len(times_us) * STEP_US
        spikes.push(rows.astype(np.int32), np.append(times_us, sent_us))
        if hostile and step > 500:
            for text, off_us in HOSTILE:
                stimuli._outlet.push_sample([text], (now_us + off_us) / 1e6)
            hostile = False
        if step // MARK_EVERY != (step + len(times_us)) // MARK_EVERY:
            stimuli.push("90", now_us)
        step += len(times_us)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "hostile" in sys.argv[3:])
