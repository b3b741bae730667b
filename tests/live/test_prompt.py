"""Where spikes are summed as they come, the pump sends the posterior before Python wakes."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pylsl
import pytest

from rtdecode import streams
from rtdecode.backends import follow, load_decoder
from rtdecode.decision import Window
from rtdecode.event_counts import MOST
from rtdecode.event_decoder import EventDecoder
from rtdecode.kernels import prompt as prompts
from rtdecode.outputs import Outputs, Sent
from rtdecode.pump import NativePump
from rtdecode.sending import Sending
from rtdecode.session.model import Units
from rtdecode.stream_clock import StreamClock
from rtdecode.virtual import new_engine
from tests.live.event_models import FIT, UNITS, write

WINDOW_US, PATIENCE_S = 250_000, 20.0
NUMBERS = itertools.count()


class Loop:
    """A source, a pump into an engine, and who hears the posteriors; all over LSL."""

    def __init__(self, bundle: Path) -> None:
        self.script = load_decoder(bundle)
        decoder = load_decoder(bundle, "event")
        assert isinstance(decoder, EventDecoder)
        self.decoder = decoder
        self.engine = new_engine(decoder)
        nothing = np.array([""] * UNITS)
        units = Units(np.arange(UNITS), nothing, np.full(UNITS, np.nan), nothing)
        name = f"prompt-{next(NUMBERS)}"
        self.outlet = streams.SpikeOutlet(units, name)
        found = streams.find(name, streams.SPIKE_FORMAT, PATIENCE_S)
        assert found is not None
        self.inlet = streams.SpikeInlet(found)
        self.inlet.open()
        self.pump = NativePump(self.inlet, self.engine, follow(decoder, self.engine))
        self.outputs = Outputs(decoder, 100.0)
        self.sending = Sending(self.outputs, self.engine, StreamClock(self.engine, 1.0))
        self.sending.follow(decoder, self.pump)
        self.sent: list[Sent] = []
        self.engine.on_answer = lambda window, probabilities: self.sent.append(
            self.sending.send(window, probabilities)
        )
        uid = self.outputs.uids["posterior"]
        (heard,) = pylsl.resolve_byprop("uid", uid, 1, PATIENCE_S)
        self.heard = pylsl.StreamInlet(heard)
        self.heard.open_stream(PATIENCE_S)

    def open_window(self, per_unit: int = 0) -> Window:
        """A window that has just ended, with its spikes sent, and the watermark after them."""
        rng = np.random.default_rng(7)
        onset_us = streams.clock_us() - WINDOW_US
        many = np.full(per_unit, 3)
        ids = np.concatenate([rng.integers(0, UNITS, 200), many]).astype(np.int32)
        times_us = onset_us + np.sort(rng.choice(WINDOW_US, len(ids), replace=False))
        self.outlet.push(np.array([streams.WATERMARK], np.int32), np.array([onset_us - 1]))
        window = self.engine.mark(onset_us)
        self.outlet.push(ids, times_us)
        self.outlet.push(np.array([streams.WATERMARK], np.int32), np.array([window.end_us]))
        return window

    def pump_until(self, watermark_us: int) -> None:
        now_us = streams.clock_us()
        while self.engine.watermark_us < watermark_us:
            self.pump.until(watermark_us, now_us + 100_000, now_us + 10**6)
            assert streams.clock_us() < now_us + 20 * 10**6

    def posterior(self, timeout: float = PATIENCE_S) -> tuple[list[float] | None, float]:
        sample, stamp = self.heard.pull_sample(timeout)
        return sample, stamp


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(write(tmp_path, "residual", FIT["residual"](np.random.default_rng(0))))
    yield made
    # Its streams go at once: the next test's decoder is to be the only one of its names.
    vars(made).clear()
    gc.collect()


def test_the_posterior_is_out_before_the_engine_is_asked(loop: Loop) -> None:
    window = loop.open_window()
    loop.sending.expect(loop.engine.next_window)
    loop.pump_until(window.end_us)
    heard, stamp = loop.posterior()
    assert streams.microseconds(stamp) == window.end_us
    (decision,) = loop.engine.step(streams.clock_us())
    np.testing.assert_array_equal(np.float32(heard), decision.probabilities)
    expected = loop.script.predict(decision.counts)
    np.testing.assert_allclose(decision.probabilities, expected, rtol=0, atol=1e-6)
    assert decision.complete
    assert decision.in_window == 200
    (sent,) = loop.sent
    assert sent.infer_ms is not None
    assert window.end_us < sent.decided_us == sent.now_us < streams.clock_us()
    assert loop.posterior(0.3)[0] is None  # once, not twice
    assert (loop.decoder.sums.start_us == 2**62).all()


def test_a_window_that_nobody_expects_is_sent_by_python(loop: Loop) -> None:
    window = loop.open_window()
    loop.pump_until(window.end_us)
    assert loop.posterior(0.3)[0] is None
    (decision,) = loop.engine.step(streams.clock_us())
    np.testing.assert_array_equal(np.float32(loop.posterior()[0]), decision.probabilities)
    assert loop.sent[0].infer_ms is None


def test_a_count_beyond_what_is_known_is_answered_from_the_counts(loop: Loop) -> None:
    window = loop.open_window(per_unit=MOST + 1)
    loop.sending.expect(loop.engine.next_window)
    loop.pump_until(window.end_us)
    assert loop.decoder.outcome(window) == prompts.BEYOND
    (decision,) = loop.engine.step(streams.clock_us())
    assert decision.in_window == 200 + MOST + 1
    np.testing.assert_array_equal(np.float32(loop.posterior()[0]), decision.probabilities)
    expected = loop.script.predict(decision.counts)
    np.testing.assert_allclose(decision.probabilities, expected, rtol=0, atol=1e-6)


def test_a_window_that_waited_in_vain_is_not_answered_when_its_watermark_comes(loop: Loop) -> None:
    """By lateness Python decides; the pump forgets what it expected."""
    window = loop.engine.mark(streams.clock_us() - WINDOW_US)
    loop.sending.expect(loop.engine.next_window)
    (decision,) = loop.engine.step(window.end_us + loop.engine.settings.lateness_us)
    assert not decision.by_watermark
    assert loop.posterior()[0] is not None
    loop.outlet.push(np.array([streams.WATERMARK], np.int32), np.array([window.end_us]))
    loop.pump_until(window.end_us)
    assert loop.posterior(0.3)[0] is None


def test_after_an_exchange_the_old_bundle_answers_nothing(loop: Loop, tmp_path: Path) -> None:
    window = loop.open_window()
    loop.sending.expect(loop.engine.next_window)
    successor = load_decoder(write(tmp_path, "lda", FIT["lda"](np.random.default_rng(1)), 1))
    loop.engine.decide_with(successor.predict)
    loop.pump.sum_into(follow(successor, loop.engine))
    loop.sending.follow(successor, loop.pump)
    loop.pump_until(window.end_us)
    assert loop.posterior(0.3)[0] is None
    (decision,) = loop.engine.step(streams.clock_us())
    np.testing.assert_array_equal(decision.probabilities, successor.predict(decision.counts))
    np.testing.assert_array_equal(np.float32(loop.posterior()[0]), decision.probabilities)
