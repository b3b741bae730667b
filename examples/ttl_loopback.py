"""The loop's latency on one's own rig, by a TTL loop-back through Open Ephys.

    python examples/ttl_loopback.py --onset-line 0 --answer-line 1 --answers 100

Wire the stimulus (photodiode) to one digital input and what the trigger sets off (the pin that the
Teensy or Arduino raises) to another. Both edges are then samples of one clock, the acquisition's:
no network and no fit of clocks is in the difference. It reads the Event Broadcaster, beside the
bridge.
"""

import argparse
import contextlib

import numpy as np
import zmq

from rtdecode.bridge.open_ephys import Ttl, device_us, read_message


def delays_ms(edges, onset_line, answer_line):
    """From each onset to the first answer after it, milliseconds of the device's clock."""
    found, onset_us = [], None
    for edge in sorted(edges, key=device_us):
        if edge.state and edge.line == onset_line:
            onset_us = device_us(edge)
        elif edge.state and edge.line == answer_line and onset_us is not None:
            found.append((device_us(edge) - onset_us) / 1000)
            onset_us = None
    return found


def main():
    """Listen until enough answers have come."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="tcp://127.0.0.1:5557")
    parser.add_argument("--onset-line", type=int, required=True)
    parser.add_argument("--answer-line", type=int, required=True)
    parser.add_argument("--answers", type=int, default=100)
    parser.add_argument("--patience-s", type=float, default=60.0, help="without a message")
    options = parser.parse_args()
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"\0\0")  # TTL events alone
    socket.connect(options.address)
    edges, found = [], []
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: what has come is told
        while len(found) < options.answers and socket.poll(round(options.patience_s * 1000)):
            event = read_message(socket.recv_multipart())
            if isinstance(event, Ttl):
                edges.append(event)
                found = delays_ms(edges, options.onset_line, options.answer_line)
    if not found:
        raise SystemExit("no answer followed an onset: see the lines' numbers and the wiring")
    p50, p95, p99, most = np.percentile(found, [50, 95, 99, 100])
    print(f"{len(found)} answers: p50 {p50:.2f}  p95 {p95:.2f}  p99 {p99:.2f}  max {most:.2f} ms")


if __name__ == "__main__":
    main()
