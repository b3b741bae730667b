"""Threshold crossings as counts at a rate, as BRAND- and Blackrock-style systems send them.

    python examples/send_counts.py --seconds 10
    rtdecode decode decoder.pt --counts crossings

One channel a unit, int16 (or float32) at a regular rate; a channel's label ends with the unit's
id. Each sample's count enters the bin in which its stamp falls.
"""

import argparse
import time

import numpy as np
import pylsl


def outlet_of(unit_ids, rate, name):
    """A stream of counts."""
    info = pylsl.StreamInfo(name, "Counts", len(unit_ids), rate, pylsl.cf_int16, f"{name}-rig")
    channels = info.desc().append_child("channels")
    for unit_id in unit_ids:
        channels.append_child("channel").append_child_value("label", f"unit{unit_id}")
    return pylsl.StreamOutlet(info)


def main():
    """Send Poisson counts for a while."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=96)
    parser.add_argument("--rate", type=float, default=1000.0, help="samples a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    outlet = outlet_of(range(options.units), options.rate, "crossings")
    rng, begin = np.random.default_rng(), pylsl.local_clock()
    n = round(options.seconds * options.rate)
    for sample in range(n):
        due = begin + sample / options.rate
        time.sleep(max(0.0, due - pylsl.local_clock()))
        counts = rng.poisson(10.0 / options.rate, options.units).astype(np.int16)
        outlet.push_chunk(counts[np.newaxis], due)
    print(f"sent {n} samples")


if __name__ == "__main__":
    main()
