"""An online sorter's spikes on the wire: the part to copy into your own sorter.

    python examples/send_spikes.py --seconds 10

Any process that can load pylsl can send spikes: two int32 channels (unit id, sequence), the
stamp is the spike's time on the LSL clock. A row of unit id -1 is a watermark: it says that every
spike before its stamp has been sent, and lets the decoder close a window at once. Here the spikes
are Poisson; your sorter calls ``send`` with its own.
"""

import argparse
import time

import numpy as np
import pylsl

WATERMARK = -1


class SpikeSender:
    """A stream of type SpikeEvents as rtdecode reads it."""

    def __init__(self, unit_ids, name="rtdecode-spikes"):
        info = pylsl.StreamInfo(name, "SpikeEvents", 2, 0.0, pylsl.cf_int32, f"{name}-sorter")
        table = info.desc().append_child("units")
        for unit_id in unit_ids:
            table.append_child("unit").append_child_value("id", str(unit_id))
        # liblsl counts the buffer of an irregular stream in hundreds: room for a million spikes.
        self.outlet = pylsl.StreamOutlet(info, max_buffered=10_000)
        self.sequence = 0

    def send(self, unit_ids, times_s, watermark_s):
        """Spikes, then the time up to which they are all there."""
        ids = np.append(unit_ids, WATERMARK)
        rows = np.empty((len(ids), 2), np.int32)
        rows[:, 0] = ids
        rows[:, 1] = (self.sequence + np.arange(len(ids))) % 2**31
        self.sequence = int(self.sequence + len(ids)) % 2**31
        self.outlet.push_chunk(rows, np.append(times_s, watermark_s))


def main():
    """Send Poisson spikes for a while."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--rate", type=float, default=10.0, help="spikes a second and unit")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    sender, rng = SpikeSender(range(options.units)), np.random.default_rng()
    begin = done = pylsl.local_clock()
    while done < begin + options.seconds:
        time.sleep(0.002)
        now = pylsl.local_clock()
        n = rng.poisson(options.units * options.rate * (now - done))
        sender.send(rng.integers(0, options.units, n), np.sort(rng.uniform(done, now, n)), now)
        done = now
    print(f"sent {sender.sequence} rows")


if __name__ == "__main__":
    main()
