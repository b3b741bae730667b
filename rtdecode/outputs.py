"""What the decoder sends: posteriors, decisions, triggers, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rtdecode import streams
from rtdecode.decision import Decision, ProbabilityArray, Window
from rtdecode.decoder import Decoder
from rtdecode.kernels.ingest import KINDS
from rtdecode.microseconds import US_PER_MS
from rtdecode.probes import Probes
from rtdecode.record import roles
from rtdecode.trigger import are_probabilities

NS_PER_MS = 1e6


class Outputs:
    """The outlets of one decoder.

    Parameters
    ----------
    decoder : Decoder
    deadline_ms : float
        Told in the posterior stream's description, for displays.
    control : str
        The name by which it is armed and disarmed; told there too.

    Attributes
    ----------
    bundle : str
        Told with every decision: the sha256 of the bundle that made it.
    """

    def __init__(self, decoder: Decoder, deadline_ms: float, control: str = "") -> None:
        info = decoder.info
        about = {
            "task": info.task,
            "window": str(info.window),
            "bundle": decoder.sha256,
            "deadline_ms": deadline_ms,
            "control": control,
        }
        self._classes = info.classes
        self.bundle = decoder.sha256
        self._posterior = streams.PosteriorOutlet(info.classes, about)
        self._decisions = streams.TextOutlet(streams.DECISIONS)
        self._triggers = streams.TextOutlet(streams.TRIGGERS)
        self._health = streams.TextOutlet(streams.HEALTH)

    @property
    def uids(self) -> dict[str, str]:
        """LSL's id of each outlet, by the part it plays in a record."""
        return {
            roles.POSTERIOR: self._posterior.uid,
            roles.DECISIONS: self._decisions.uid,
            roles.TRIGGERS: self._triggers.uid,
            roles.HEALTH: self._health.uid,
        }

    @property
    def posterior_handle(self) -> int:
        """Address of the posterior's outlet, for compiled code."""
        return self._posterior.handle

    def push(self, window: Window, probabilities: ProbabilityArray) -> None:
        """Push a posterior."""
        self._posterior.push(probabilities, window.end_us)

    def tell(self, decision: Decision, stages_ms: Mapping[str, float], probes: Probes) -> None:
        """Push the decision.

        Parameters
        ----------
        decision : Decision
        stages_ms : mapping
            As ``stages`` gives them.
        probes : Probes
            The spike streams that it was made of.
        """
        said = self._message(decision, stages_ms)
        said |= {"missing": probes.behind(decision.window.end_us), "bundle": self.bundle}
        said |= {"rows": probes.last_rows(), "taken": probes.rows_taken()}
        if firsts := probes.first_rows():
            said["first_us"] = firsts
        self._decisions.push_json(said, decision.window.end_us)

    def tell_trigger(self, said: Mapping[str, object]) -> None:
        """Push the policy's answer to a window."""
        self._triggers.push_json(said, streams.clock_us())

    def tell_health(self, said: Mapping[str, object], now_us: int) -> None:
        """Push a health message."""
        self._health.push_json(said, now_us)

    def _message(self, decision: Decision, stages_ms: Mapping[str, float]) -> dict[str, object]:
        window, sound = decision.window, are_probabilities(decision.probabilities)
        top = int(np.argmax(decision.probabilities))
        return {
            "window": window.number,
            "onset_us": window.onset_us,
            "session_us": window.session_us,
            "start_us": window.start_us,
            "end_us": window.end_us,
            "bins_used": window.bins,
            "bins": len(decision.counts),
            "label": window.label,
            "top": self._classes[top] if sound else "",
            "p": round(float(decision.probabilities[top]), 6) if sound else None,
            "closed_by": "watermark" if decision.by_watermark else "lateness",
            "complete": decision.complete,
            "spikes": dict(zip(KINDS, decision.spikes.tolist(), strict=True)),
            "in_window": decision.in_window,
            "stages_ms": dict(stages_ms),
        }


@dataclass(frozen=True)
class Sent:
    """When a posterior was sent.

    Attributes
    ----------
    watermark_us : int
        The watermark that closed the window, stream time.
    decided_us : int
        When the model had answered, stream time.
    now_us : int
        The same by the LSL clock.
    push_ms : float
        What pushing the posterior took.
    infer_ms : float or None
        What answering took, where the pump did it; else the decision knows.
    """

    watermark_us: int
    decided_us: int
    now_us: int
    push_ms: float
    infer_ms: float | None = None


def stages(decision: Decision, sent: Sent) -> dict[str, float]:
    """Where the time between a window's end and its posterior went, milliseconds."""
    end_us = decision.window.end_us
    bin_ms, infer_ms = decision.bin_ns / NS_PER_MS, sent.infer_ms
    if infer_ms is None:
        infer_ms = decision.infer_ns / NS_PER_MS
    decided_ms = (sent.decided_us - end_us) / US_PER_MS
    # By lateness there is no row that closed the window: all of the time was waiting.
    closing_us = sent.watermark_us if decision.by_watermark else sent.decided_us
    wait_ms = (closing_us - end_us) / US_PER_MS
    stages_ms = {
        "wire_in": max(0.0, decided_ms - bin_ms - infer_ms - wait_ms),
        "wait": wait_ms,
        "bin": bin_ms,
        "infer": infer_ms,
        "wire_out": sent.push_ms,
        "total": decided_ms + sent.push_ms,
    }
    return {stage: round(value, 4) for stage, value in stages_ms.items()}
