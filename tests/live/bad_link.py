"""A slow, jittering, lossy link between two network namespaces, where the kernel has no netem.

Run as a process: NAMESPACE_A ADDRESS_A NAMESPACE_B ADDRESS_B DELAY_MS JITTER_MS LOSS. It makes a
TAP device in each, says "ready", and passes frames on late, in their order, but for some.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
CLONE_NEWNET = 0x40000000


def tap_in(namespace, address):
    """A TAP device of a namespace, up, with an address; its file."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path("/run/netns", namespace).open() as there:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", b"rtd0", IFF_TAP | IFF_NO_PI))
        for words in (
            ("addr", "add", f"{address}/24", "dev", "rtd0"), ("link", "set", "dev", "rtd0", "up"),
            ("link", "set", "dev", "lo", "up"), ("route", "add", "default", "dev", "rtd0"),
        ):  # fmt: skip
            subprocess.run(["ip", *words], check=True)
        assert libc.setns(home.fileno(), CLONE_NEWNET) == 0
    return tap


def main(first, first_address, second, second_address, delay_ms, jitter_ms, loss):
    taps = [tap_in(first, first_address), tap_in(second, second_address)]
    other = {taps[0]: taps[1], taps[1]: taps[0]}
    delay_s, jitter_s, loss = float(delay_ms) / 1000, float(jitter_ms) / 1000, float(loss)
    rng, queue, number, leaves = random.Random(0), [], 0, dict.fromkeys(taps, 0.0)
    print("ready", flush=True)
    while True:
        wait_s = max(0.0, queue[0][0] - time.monotonic()) if queue else 1.0
        for tap in select.select(taps, [], [], wait_s)[0]:
            frame, number = os.read(tap, 1 << 16), number + 1
            if rng.random() >= loss:
                due = time.monotonic() + delay_s + rng.uniform(-jitter_s, jitter_s)
                leaves[tap] = max(due, leaves[tap])
                heapq.heappush(queue, (leaves[tap], number, other[tap], frame))
        while queue and queue[0][0] <= time.monotonic():
            _, _, tap, frame = heapq.heappop(queue)
            os.write(tap, frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
