"""What the trigger policy is told of a window that was decided."""

from __future__ import annotations

from rtdecode.decision import Decision
from rtdecode.health import Health
from rtdecode.kernels.ingest import LATE, LOST
from rtdecode.trigger import Evidence


def evidence_of(decision: Decision, health: Health, delay_us: int, now_us: int) -> Evidence:
    """A decision and the state of the data as the policy sees them.

    Parameters
    ----------
    decision : Decision
    health : Health
        Has looked at this decision already.
    delay_us : int
        From the window's end to the answer, on the stream's clock.
    now_us : int
        LSL clock.
    """
    return Evidence(
        window=decision.window.number,
        probabilities=decision.probabilities,
        complete=decision.complete,
        spikes=int(decision.spikes.sum()),
        missing=int(decision.spikes[LATE] + decision.spikes[LOST]),
        delay_us=delay_us,
        data_age_us=health.data_age_us(now_us),
        decoding=health.is_decoding,
    )
