"""What a lab would write in an afternoon: pylsl, a NumPy histogram, eager torch.

Run as a process: WEIGHTS.npz, and ``poll`` (look every millisecond, as the examples do)
or ``block`` (pylsl's ``min_samples``, for who has found it). It needs no rtdecode.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pylsl
import torch

WINDOW_S, BIN_S = 0.25, 0.025


def find(name: str) -> pylsl.StreamInlet:
    """An inlet of the stream of this name, its buffer made large enough for spikes."""
    (info, *_) = pylsl.resolve_byprop("name", name, timeout=60)
    return pylsl.StreamInlet(info, max_buflen=10_000)


def main(weights: str, mode: str) -> None:
    """Decode until a marker says the end."""
    torch.set_num_threads(1)
    arrays = np.load(weights)
    n_classes, n_units = len(arrays["bias"]), int(arrays["n_units"])
    linear = torch.nn.Linear(len(arrays["weight"]), n_classes)
    linear.weight.data = torch.from_numpy(arrays["weight"].T.copy())
    linear.bias.data = torch.from_numpy(arrays["bias"])
    model = torch.nn.Sequential(torch.nn.Flatten(), linear, torch.nn.Softmax(dim=1))
    spikes, markers = find("rtdecode-spikes"), find("rtdecode-stimuli")
    about = pylsl.StreamInfo(
        "rtdecode-posterior", "Posterior", n_classes, 0, pylsl.cf_float32, "lab"
    )
    outlet = pylsl.StreamOutlet(about)
    spikes.open_stream()
    markers.open_stream()
    unit_edges = np.arange(n_units + 1)
    ids, times = np.empty(0, np.int64), np.empty(0)
    onsets: list[float] = []
    sent_until = 0.0
    while True:
        for (text,), onset in zip(*markers.pull_chunk(), strict=True):
            if "end" in text:
                return
            onsets.append(onset)
        if mode == "poll":
            samples, stamps = spikes.pull_chunk(max_samples=65536)
        else:
            samples, stamps = spikes.pull_chunk(0.01, 65536, min_samples=1)
        if stamps:
            ids = np.append(ids, np.array(samples)[:, 0])
            times = np.append(times, stamps)
            if (ids == -1).any():
                sent_until = times[ids == -1][-1]
            keep = times > times[-1] - 2 * WINDOW_S
            ids, times = ids[keep], times[keep]
        while onsets and sent_until >= onsets[0] + WINDOW_S:
            onset = onsets.pop(0)
            bin_edges = onset + np.arange(0, WINDOW_S + BIN_S / 2, BIN_S)
            bins: Any = (bin_edges, unit_edges)
            counts, *_ = np.histogram2d(times, ids, bins=bins)
            with torch.no_grad():
                answer = model(torch.tensor(counts[None], dtype=torch.float32))
            outlet.push_sample(answer[0].tolist(), onset + WINDOW_S)
        if mode == "poll":
            time.sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
