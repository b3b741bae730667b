"""What the decoder sends: posteriors, decisions, health."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rtdecode import streams
from rtdecode.decoder import Decoder
from rtdecode.engine import Decision
from rtdecode.kernels.ingest import KINDS
from rtdecode.microseconds import US_PER_MS

NS_PER_MS = 1e6


class Outputs:
    """The outlets of one decoder.

    Parameters
    ----------
    decoder : Decoder
    deadline_ms : float
        Told in the posterior stream's description, for displays.
    """

    def __init__(self, decoder: Decoder, deadline_ms: float) -> None:
        info = decoder.info
        about = {
            "task": info.task,
            "window": str(info.window),
            "bundle": decoder.sha256,
            "deadline_ms": deadline_ms,
        }
        self._classes = info.classes
        self._posterior = streams.PosteriorOutlet(info.classes, about)
        self._decisions = streams.TextOutlet(streams.DECISIONS)
        self._health = streams.TextOutlet(streams.HEALTH)

    def send(self, decision: Decision, watermark_us: int, decided_us: int) -> dict[str, float]:
        """Push the posterior at once, then the decision; the stages, milliseconds.

        Parameters
        ----------
        decision : Decision
        watermark_us : int
            The watermark that closed the window, stream time.
        decided_us : int
            When the model had answered, stream time.
        """
        end_us = decision.window.end_us
        pushing_us = streams.clock_us()
        self._posterior.push(decision.probabilities, end_us)
        push_ms = (streams.clock_us() - pushing_us) / US_PER_MS
        stages_ms = _stages(decision, watermark_us, decided_us, push_ms)
        self._decisions.push_json(self._message(decision, stages_ms), end_us)
        return stages_ms

    def tell_health(self, said: Mapping[str, object], now_us: int) -> None:
        """Push a health message."""
        self._health.push_json(said, now_us)

    def _message(self, decision: Decision, stages_ms: dict[str, float]) -> dict[str, object]:
        window = decision.window
        top = int(np.argmax(decision.probabilities))
        return {
            "window": window.number,
            "onset_us": window.onset_us,
            "session_us": window.session_us,
            "start_us": window.start_us,
            "end_us": window.end_us,
            "label": window.label,
            "top": self._classes[top],
            "p": round(float(decision.probabilities[top]), 6),
            "closed_by": "watermark" if decision.by_watermark else "lateness",
            "complete": decision.complete,
            "spikes": dict(zip(KINDS, decision.spikes.tolist(), strict=True)),
            "in_window": decision.in_window,
            "stages_ms": stages_ms,
        }


def _stages(
    decision: Decision, watermark_us: int, decided_us: int, push_ms: float
) -> dict[str, float]:
    """Where the time between a window's end and its posterior went."""
    end_us = decision.window.end_us
    bin_ms, infer_ms = decision.bin_ns / NS_PER_MS, decision.infer_ns / NS_PER_MS
    decided_ms = (decided_us - end_us) / US_PER_MS
    # By lateness there is no row that closed the window: all of the time was waiting.
    closing_us = watermark_us if decision.by_watermark else decided_us
    wait_ms = (closing_us - end_us) / US_PER_MS
    stages_ms = {
        "wire_in": max(0.0, decided_ms - bin_ms - infer_ms - wait_ms),
        "wait": wait_ms,
        "bin": bin_ms,
        "infer": infer_ms,
        "wire_out": push_ms,
        "total": decided_ms + push_ms,
    }
    return {stage: round(value, 4) for stage, value in stages_ms.items()}
