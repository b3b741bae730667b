"""Sends posteriors: from Python, or from the pump's compiled code before Python wakes."""

from __future__ import annotations

from rtdecode import streams
from rtdecode.decision import ProbabilityArray, Window
from rtdecode.decoder import Decoder
from rtdecode.engine import Engine
from rtdecode.event_decoder import EventDecoder
from rtdecode.kernels import prompt as prompts
from rtdecode.kernels.ingest import WATERMARK_US
from rtdecode.kernels.prompt import no_prompt
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.outputs import Outputs, Sent
from rtdecode.pump import Pump
from rtdecode.stream_clock import StreamClock

MS_PER_S = 1e3


class Sending:
    """The way of an answer to the posterior's outlet.

    Parameters
    ----------
    outputs : Outputs
    engine : Engine
    clock : StreamClock
    """

    def __init__(self, outputs: Outputs, engine: Engine, clock: StreamClock) -> None:
        self._outputs = outputs
        self._engine = engine
        self._clock = clock
        self._summed: EventDecoder | None = None

    def follow(self, decoder: Decoder, pump: Pump) -> None:
        """Let the pump send what it can of this decoder from here on."""
        self._summed = None
        if isinstance(decoder, EventDecoder) and pump.answer_with(decoder.prompt):
            decoder.prompt.state[prompts.OUTLET] = self._outputs.posterior_handle
            self._summed = decoder
        else:
            pump.answer_with(no_prompt())

    def expect(self, window: Window | None) -> None:
        """The pump waits for this window's end next, and no other can come before."""
        # A sliding window may be due too late to be decided, which the pump does not know.
        if self._summed is None or window is None or window.sliding or self._engine.rule:
            return
        self._summed.expect(window)

    def send(self, window: Window, probabilities: ProbabilityArray) -> Sent:
        """Push a posterior, unless the pump has; when that was."""
        watermark_us = int(self._engine.intake.state[WATERMARK_US])
        summed = self._summed
        if summed is not None and summed.outcome(window) == prompts.SENT:
            _, reached_s, decided_s, pushed_s = summed.prompt.times_s.tolist()
            now_us = round(decided_s * US_PER_S)
            infer_ms, push_ms = (
                (decided_s - reached_s) * MS_PER_S,
                (pushed_s - decided_s) * MS_PER_S,
            )
            return Sent(watermark_us, self._clock.at_us(now_us), now_us, push_ms, infer_ms)
        decided_us, now_us = self._clock.now_us(), streams.clock_us()
        self._outputs.push(window, probabilities)
        push_ms = (streams.clock_us() - now_us) / US_PER_MS
        return Sent(watermark_us, decided_us, now_us, push_ms)
