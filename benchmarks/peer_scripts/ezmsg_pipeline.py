"""The same decoding as an ezmsg graph: ezmsg-lsl in and out, ezmsg-event for the bins.

Run as a process in an environment that has ezmsg: BUNDLE.pt, and ``stock`` (ezmsg-lsl as
it ships, which asks liblsl for chunks of one sample) or ``mended`` (chunks as they were
sent, and a buffer that is large enough for spikes). It needs no rtdecode.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from typing import Any

import ezmsg.core as ez
import numpy as np
import pylsl
import sparse
import torch
from ezmsg.event.binned import BinnedEventAggregator, BinnedEventAggregatorSettings
from ezmsg.lsl.inlet import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.lsl.outlet import LSLOutletSettings, LSLOutletUnit
from ezmsg.util.messages.axisarray import AxisArray

WINDOW_S, BIN_S, GRID_HZ = 0.25, 0.025, 1000.0


def posterior(values: Any, stamp: float) -> AxisArray:
    """One posterior as a message at this time."""
    time_axis = AxisArray.CoordinateAxis(data=np.array([stamp]), dims=["time"], unit="s")
    return AxisArray(data=values, dims=["time", "ch"], axes={"time": time_axis}, key="posterior")


class DecoderSettings(ez.Settings):
    """Which bundle."""

    bundle: str
    n_units: int
    n_classes: int


class DecoderState(ez.State):
    """Spikes of late, windows that wait, and what they wait with."""

    model: Any
    binner: Any
    ids: Any
    times: Any
    onsets: list[float]
    sent_until: float = 0.0
    greeted: bool = False


class WindowDecoder(ez.Unit):
    """Spikes and markers in, posteriors out."""

    SETTINGS = DecoderSettings
    STATE = DecoderState
    INPUT_SPIKES = ez.InputStream(AxisArray)
    INPUT_MARKERS = ez.InputStream(AxisArray)
    OUTPUT = ez.OutputStream(AxisArray)

    async def initialize(self) -> None:
        """Load the model; the first call of each part is the slowest."""
        torch.set_num_threads(1)
        self.STATE.model = torch.jit.load(self.SETTINGS.bundle).eval()
        self.STATE.binner = BinnedEventAggregator(
            settings=BinnedEventAggregatorSettings(
                bin_duration=BIN_S, scale_output=False, scale_by_value=True
            )
        )
        self.STATE.ids, self.STATE.times = np.empty(0, np.int64), np.empty(0)
        self.STATE.onsets = []
        for _ in range(20):
            self.decode(0.0)

    def decode(self, onset: float) -> Any:
        """Probabilities (1, classes) of the window at this onset."""
        state, n_units = self.STATE, self.SETTINGS.n_units
        inside = (state.times >= onset) & (state.times < onset + WINDOW_S) & (state.ids >= 0)
        place = ((state.times[inside] - onset) * GRID_HZ).astype(np.int64)
        shape = (round(WINDOW_S * GRID_HZ), n_units)
        coords = np.stack([np.minimum(place, shape[0] - 1), state.ids[inside]])
        events = sparse.COO(coords, np.ones(coords.shape[1]), shape=shape)
        message = AxisArray(
            data=events,
            dims=["time", "ch"],
            axes={"time": AxisArray.TimeAxis(fs=GRID_HZ, offset=onset)},
            key="events",
            stream_dim="time",
        )
        counts = torch.from_numpy(state.binner(message).data.astype(np.float32))
        with torch.inference_mode():
            return state.model(counts[None]).numpy()

    @ez.subscriber(INPUT_MARKERS)
    async def on_markers(self, message: AxisArray) -> None:
        """Keep the onsets; the benchmark's end ends the run."""
        for text, onset in zip(message.data[:, 0], message.axes["time"].data, strict=True):
            if "end" in str(text):
                raise ez.NormalTermination
            self.STATE.onsets.append(float(onset))

    @ez.subscriber(INPUT_SPIKES)
    @ez.publisher(OUTPUT)
    async def on_spikes(self, message: AxisArray) -> AsyncGenerator[Any, None]:
        """Keep the spikes, then answer every window that the watermark has passed."""
        state = self.STATE
        if not state.greeted:  # the outlet is made at the first message
            state.greeted = True
            yield self.OUTPUT, posterior(np.zeros((1, self.SETTINGS.n_classes), np.float32), 1.0)
        ids, times = message.data[:, 0], message.axes["time"].data
        state.ids, state.times = np.append(state.ids, ids), np.append(state.times, times)
        if (ids == -1).any():
            state.sent_until = float(times[ids == -1][-1])
        if len(state.times) > 200_000 or state.times[0] < state.times[-1] - 4 * WINDOW_S:
            keep = state.times > state.times[-1] - 2 * WINDOW_S
            state.ids, state.times = state.ids[keep], state.times[keep]
        while state.onsets and state.sent_until >= state.onsets[0] + WINDOW_S:
            onset = state.onsets.pop(0)
            yield self.OUTPUT, posterior(self.decode(onset), onset + WINDOW_S)


def inlet(name: str) -> LSLInletUnit:
    """An inlet that keeps the sender's stamps as they are."""
    settings = LSLInletSettings(
        info=LSLInfo(name=name), use_lsl_clock=True, processing_flags=pylsl.proc_none
    )
    return LSLInletUnit(settings)


def mend() -> None:
    """Let inlets take chunks as they were sent, with room for spikes."""
    plain = pylsl.StreamInlet.__init__

    def roomy(self: Any, info: Any, *arguments: Any, **options: Any) -> None:
        plain(self, info, *arguments, **options | {"max_chunklen": 0, "max_buflen": 10_000})

    pylsl.StreamInlet.__init__ = roomy


def main(bundle: str, mode: str, n_units: int, n_classes: int) -> None:
    """Decode until a marker says the end."""
    if mode == "mended":
        mend()
    units: dict[str, Any] = {
        "SPIKES": inlet("rtdecode-spikes"),
        "MARKERS": inlet("rtdecode-stimuli"),
        "DECODER": WindowDecoder(DecoderSettings(bundle, n_units, n_classes)),
        "OUTLET": LSLOutletUnit(
            LSLOutletSettings(
                stream_name="rtdecode-posterior", stream_type="Posterior", assume_lsl_clock=True
            )
        ),
    }
    ez.run(
        units,
        connections=(
            (units["SPIKES"].OUTPUT_SIGNAL, units["DECODER"].INPUT_SPIKES),
            (units["MARKERS"].OUTPUT_SIGNAL, units["DECODER"].INPUT_MARKERS),
            (units["DECODER"].OUTPUT, units["OUTLET"].INPUT_SIGNAL),
        ),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
