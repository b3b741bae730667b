"""What has arrived at an inlet, read into a batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.gui.finding import BRIDGE, DECISIONS, HEALTH, POSTERIOR, SPIKES, STIMULI
from rtdecode.gui.messages import MalformedError
from rtdecode.gui.packets import Batch, Decision, onset_from_marker
from rtdecode.gui.reports import Bridge, Health, Trigger
from rtdecode.microseconds import INVALID_US, US_PER_S
from rtdecode.streams import PosteriorInlet, SpikeInlet, TextInlet

Inlet = SpikeInlet | TextInlet | PosteriorInlet


def pull_into(batch: Batch, role: str, inlet: Inlet) -> None:
    """Add to a batch what has arrived; never waits."""
    if isinstance(inlet, SpikeInlet):
        _pull_spikes(batch, inlet)
    elif isinstance(inlet, PosteriorInlet):
        _pull_posteriors(batch, inlet)
    else:
        _pull_texts(batch, role, inlet)


def _pull_spikes(batch: Batch, inlet: SpikeInlet) -> None:
    samples, stamps = inlet.pull()
    if not len(stamps):
        return
    batch.heard.add(SPIKES)
    times, finite = microseconds_of(stamps)
    units = samples[finite, 0]
    marks = units == streams.WATERMARK
    if marks.any():
        # Of several probes the furthest: the rows of one that has stopped stay empty.
        batch.watermark_us = max(batch.watermark_us or INVALID_US, int(times[marks][-1]))
    batch.spikes_us = np.append(batch.spikes_us, times[~marks])
    batch.spike_units = np.append(batch.spike_units, units[~marks])


def _pull_posteriors(batch: Batch, inlet: PosteriorInlet) -> None:
    probabilities, stamps = inlet.pull()
    if len(stamps):
        batch.heard.add(POSTERIOR)
        batch.posterior_us, finite = microseconds_of(stamps)
        batch.posteriors = probabilities[finite]


def _pull_texts(batch: Batch, role: str, inlet: TextInlet) -> None:
    for text, time_us in inlet.pull():
        batch.heard.add(role)
        try:
            _read_text(batch, role, text, time_us)
        except MalformedError:
            batch.malformed += 1


def _read_text(batch: Batch, role: str, text: str, time_us: int) -> None:
    if role == STIMULI:
        onset = onset_from_marker(time_us, text)
        if onset.stimulus.get("rtdecode") == "end":
            batch.ended = True
        elif time_us != INVALID_US:
            batch.onsets.append(onset)
    elif role == DECISIONS:
        batch.decisions.append(Decision.from_json(text))
    elif role == HEALTH:
        batch.healths.append(Health.from_json(text))
    elif role == BRIDGE:
        batch.bridge = Bridge.from_json(text)
    else:
        batch.triggers.append(Trigger.from_json(text))


def microseconds_of(
    stamps: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Stamps in microseconds, of those that can be one, and which those are."""
    finite = np.abs(stamps) < 2.0**62 / US_PER_S
    return np.rint(stamps[finite] * US_PER_S).astype(np.int64), finite
