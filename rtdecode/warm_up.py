"""Everything compiled and warm before a stream is open, which sends meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rtdecode.backends import follow
from rtdecode.decoder import Decoder
from rtdecode.live_settings import LiveSettings
from rtdecode.pump import compile_pump
from rtdecode.sources import ALL
from rtdecode.virtual import new_engine


def warm_up(decoder: Decoder, settings: LiveSettings) -> None:
    """Compile every kernel and warm the model, on an engine that is thrown away."""
    decoder.warm_up()
    scratch = new_engine(decoder, replace(settings.engine, capacity=16, hop_us=0))
    sums = follow(decoder, scratch)
    if settings.native:
        several = len(settings.spikes) > 1 or ALL in settings.spikes
        scratch.hear(2 if several else 1)
        compile_pump(scratch, sums)
        scratch.hear(1)
    window = scratch.mark(0)
    samples = np.array([[decoder.info.unit_ids[0], 0], [-1, 1]], np.int32)
    scratch.ingest(samples, np.array([window.start_us, window.end_us]), window.end_us)
    list(scratch.step(window.end_us))
