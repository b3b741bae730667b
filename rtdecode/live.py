"""The decoder process: inlets, engine, outlets, and the watchdog between them.

The loop that measured best on two cores: a marker fixes a window's end; pump
spikes until shortly before it; run the model dry a few times, which halves the
inference to come; pump until the window is complete; bin, predict, push; and
only then do all the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import cast

import numpy as np

from rtdecode import sources, streams
from rtdecode.backends import follow
from rtdecode.decision import Decision, ProbabilityArray, Window
from rtdecode.decoder import Decoder
from rtdecode.early import DecisionTimes
from rtdecode.engine import Engine
from rtdecode.health import Health, State
from rtdecode.host_clocks import HostClocks
from rtdecode.live_settings import LiveSettings
from rtdecode.microseconds import FOREVER_US, US_PER_MS, US_PER_S
from rtdecode.onsets import Onsets
from rtdecode.orders import Orders
from rtdecode.outputs import Outputs, stages
from rtdecode.posteriors import PosteriorLog
from rtdecode.probes import Probes
from rtdecode.pump import Pump, make_pump
from rtdecode.realtime import settle
from rtdecode.record import roles
from rtdecode.record.recording import Recording
from rtdecode.sending import Sending
from rtdecode.session.model import Units
from rtdecode.stop_signals import on_stop_signals
from rtdecode.stream_clock import StreamClock
from rtdecode.swap import check_successor
from rtdecode.trigger import Mode, are_probabilities
from rtdecode.triggers.evidence import evidence_of
from rtdecode.triggers.firing import Firing
from rtdecode.virtual import new_engine, rule_of
from rtdecode.watchdog import Watchdog

IDLE_US = 10 * US_PER_MS  # how long spikes are pumped before markers are looked at
HOT_US = 1_500  # the model is run dry this long before a window ends
HOT_RUNS = 3
REST_S = 0.0003
HEALTH_US = 200 * US_PER_MS
CALM_US = 20 * US_PER_MS  # what can wait is done when no window ends within this
OVERDUE_US = 100 * US_PER_MS  # or when it has been put off for so long
PLAYED = {
    streams.SPIKE_FORMAT: roles.SPIKES,
    streams.COUNT_FORMAT: roles.COUNTS,
    streams.TEXT_FORMAT: roles.STIMULI,
}
STUCK_US = 300 * US_PER_MS  # a round of the loop takes no longer


class LiveDecoder:
    """Decodes the windows of a live spike stream.

    Parameters
    ----------
    decoder : Decoder
    settings : LiveSettings
    on_state : callable, optional
        Called with the health whenever its state changes.
    on_mode : callable, optional
        Called with the trigger's mode and why, whenever it changes.
    on_news : callable, optional
        Called with a line that is worth a log's while: a host's clock has stepped.
    """

    def __init__(
        self,
        decoder: Decoder,
        settings: LiveSettings,
        on_state: Callable[[Health], None] = lambda health: None,
        on_mode: Callable[[Mode, str], None] = lambda mode, why: None,
        on_news: Callable[[str], None] = lambda news: None,
    ) -> None:
        self.decoder = decoder
        self.settings = settings
        self.health = Health(settings.stale_us)
        self.engine = new_engine(decoder, settings.engine)
        self.engine.on_answer = self._send
        self.log = PosteriorLog(decoder.info.classes, np.array(decoder.info.unit_ids))
        self.log.keep = False
        self.times = DecisionTimes(decoder.info.window)
        self._silence = np.zeros(decoder.info.shape, np.uint16)
        self._on_state = on_state
        self._on_news = on_news
        self.name = settings.name or f"decoder-{os.getpid()}"
        self._outputs = Outputs(decoder, settings.deadline_ms, self.name)
        self.firing = Firing(settings.trigger, decoder.info, streams.clock_us, on_mode)
        self.recording: Recording | None = None
        self._pump: Pump | None = None
        self._skipped = 0
        self._said_us = 0
        self._stopping = False

    def run(self) -> None:
        """Decode until stopped: by a signal, by the replay's end, or after the windows asked for.

        Call ``warm_up`` before: what compiles while streams are open makes spikes late.

        Raises
        ------
        UserError
            If the streams are of the wrong kind or lack the bundle's units.
        """
        with on_stop_signals(self._stop), self._listen():
            self._record(self._outputs.uids)
            spikes = self._open_spikes()
            stimuli = self._open_stimuli() if self._needs_stimuli(spikes) else None
            if not spikes or self._stopping:
                return
            settle()
            self.engine.hear(len(spikes))
            self._pump = make_pump(
                spikes, self.engine, follow(self.decoder, self.engine), self.settings.native
            )
            self._keep_time(sources.heard_speed(spikes[0], self._on_news))
            self._sending = Sending(self._outputs, self.engine, self._clock)
            self._sending.follow(self.decoder, self._pump)
            self._pump.until(FOREVER_US, 0, FOREVER_US)  # a plain pump compiles here
            self._watch(spikes, stimuli)
            self._onsets = Onsets(
                self.engine, self.decoder.info, self.health, self._clock, self.settings.markers
            )
            self._enter(State.READY)
            with closing(Watchdog(STUCK_US, streams.clock_us, self._tell_stuck)) as watchdog:
                watchdog.start()
                while not self._done():
                    self._turn(stimuli)
                    watchdog.come_round()
            self._enter(State.STOPPED)
            self.log.shift(-self._onsets.shift_us)

    def _watch(self, spikes: Sequence[sources.RowInlet], stimuli: streams.TextInlet | None) -> None:
        """From here on a stream that sends nothing is silent."""
        self._clocks = HostClocks([*spikes, *([stimuli] if stimuli is not None else [])])
        settings = self.settings
        self._probes = Probes(
            self.engine, spikes, settings.stale_us, settings.go_on, streams.clock_us()
        )
        self.health.probes = self._probes

    def _keep_time(self, speed: float) -> None:
        """Follow the stream's clock; lateness is of the wire, so it lasts as long on the wall."""
        self._clock = StreamClock(self.engine, speed)
        lateness_us = round(self.settings.engine.lateness_us * max(1.0, speed))
        self.engine.settings = replace(self.settings.engine, lateness_us=lateness_us)

    def _open_spikes(self) -> list[sources.RowInlet]:
        """The spike and count streams, once all are there; none where we are to stop first."""
        waits = [self._wait_for(name, streams.SPIKE_FORMAT) for name in self.settings.spikes]
        waits += [self._wait_for(name, streams.COUNT_FORMAT) for name in self.settings.counts]
        found = [stream for wait in waits for stream in wait]
        return sources.open_rows(found, self._check_units) if all(waits) else []

    def _check_units(self, units: Units | None) -> None:
        if units is not None:
            self.decoder.check_units(units.ids)

    def _needs_stimuli(self, spikes: Sequence[sources.RowInlet]) -> bool:
        """Sliding windows need no marker; but a replay tells its time and its end by them."""
        settings = self.settings
        wanted = bool(settings.stimuli) or settings.once or not settings.engine.hop_us
        return bool(spikes) and (wanted or bool(spikes[0].replay()))

    def _open_stimuli(self) -> streams.TextInlet | None:
        found = self._wait_for(self.settings.stimuli, streams.TEXT_FORMAT)
        return sources.open_stimuli(found[0]) if found else None

    def _wait_for(self, name: str, form: streams.Format) -> list[streams.Found]:
        """The stream, or all; none where we are told to stop first."""
        self._enter(State.WAITING, f"waiting for {sources.sought(name, form)}")
        look_s = HEALTH_US / US_PER_S
        found = sources.wait_for(name, form, look_s, self._wait_on, self._suffice)
        for stream in found:
            self._record({PLAYED[form]: stream.uid})
        return found

    def _suffice(self, found: Sequence[streams.Found]) -> bool:
        alone = len(self.settings.spikes) + len(self.settings.counts) == 1
        lack = sources.lack_of_units(found, self.decoder.info.unit_ids) if alone else ""
        if lack:
            self._enter(State.WAITING, f"waiting for more streams: {lack}")
        return not lack

    def _record(self, uids: Mapping[str, str]) -> None:
        """Have streams recorded, from before we hear them ourselves."""
        if self.recording is not None:
            for role, uid in uids.items():
                self.recording.add(role, uid, self._wait_on)

    def _wait_on(self) -> bool:
        """Between two looks for a stream: orders, health; whether to go on."""
        self._take_orders()
        self._tell_health(streams.clock_us(), None)
        return not self._stopping

    def _turn(self, stimuli: streams.TextInlet | None) -> None:
        """One round: markers, spikes until the next window or for a while, decisions, health."""
        if stimuli is not None:
            self._onsets.take(stimuli)
        end_us = self.engine.next_end_us
        now_us = streams.clock_us()
        if end_us is None or self._clock.lsl_us(end_us) > now_us + IDLE_US + HOT_US:
            self._pump_until(FOREVER_US, now_us + IDLE_US)
        else:
            self._await_window(end_us)
        for decision in self.engine.step(self._clock.now_us()):
            self._publish(decision)
            if self._has_enough():
                break
        self._take_orders()
        self._look_after()

    def _await_window(self, end_us: int) -> None:
        """Pump until shortly before the window's end, run the model dry, pump until complete."""
        due_us = self._clock.lsl_us(end_us)
        if due_us > streams.clock_us() + HOT_US:
            self._pump_until(FOREVER_US, due_us - HOT_US)
            for _ in range(HOT_RUNS):
                self.engine.rehearse(self._silence)
        lateness_us = self.engine.settings.lateness_us
        patience_us = min(self._clock.lsl_us(end_us + lateness_us), streams.clock_us() + IDLE_US)
        self._sending.expect(self.engine.next_window)
        self._pump_until(end_us, patience_us)

    def _pump_until(self, watermark_us: int, deadline_us: int) -> None:
        latest_us = self._clock.latest_us(self.settings.engine.ahead_us)
        assert self._pump is not None
        self._pump.until(watermark_us, deadline_us, latest_us)

    def _send(self, window: Window, probabilities: ProbabilityArray) -> None:
        """The posterior, as soon as the model has answered."""
        self._sent = self._sending.send(window, probabilities)
        if self.firing.mode is Mode.DISARMED:
            # liblsl sends by a thread of its own: it has the core first.
            time.sleep(REST_S)

    def _publish(self, decision: Decision) -> None:
        """The trigger, and only then what is said of it and of the posterior."""
        sent = self._sent
        event = self._answer(decision, sent.decided_us, sent.now_us)
        stages_ms = stages(decision, sent)
        if "trigger_ms" in event:
            stages_ms["trigger"] = cast(float, event["trigger_ms"])
        self._outputs.tell(decision, stages_ms, self._probes)
        self._outputs.tell_trigger(event)
        self.health.incomplete += not decision.complete
        age_us = self.health.data_age_us(sent.now_us)
        self.health.strain.closed(self.engine, decision.by_watermark, age_us, sent.now_us)
        self.health.latency.add(stages_ms)
        if self.engine.rule is not None:
            self.times.add(decision.window.end_us - decision.window.onset_us)
        self.log.add(decision)

    def _answer(self, decision: Decision, decided_us: int, now_us: int) -> dict[str, object]:
        """What the trigger policy says of a window, done."""
        if self.health.judge(are_probabilities(decision.probabilities), now_us):
            self._on_state(self.health)
        self.health.observe(self.engine, now_us)
        if self._skipped != self.engine.skipped:
            self._skipped = self.engine.skipped
            self.firing.lapse()
        delay_us = decided_us - decision.window.end_us
        seen = evidence_of(decision, self.health, delay_us, now_us)
        return self.firing.answer(seen, now_us)

    def swap(self, decoder: Decoder) -> None:
        """Decode with another bundle from the next window on; between two windows alone.

        Windows that are open stay so, and no spike of theirs is lost.

        Raises
        ------
        UserError
            If it does not fit in the place of the one that runs.
        """
        rule = rule_of(decoder, self.settings.engine)
        check_successor(self.decoder, decoder, self.settings.engine.early)
        self.decoder = decoder
        self._outputs.bundle = decoder.sha256
        self.firing.follow(decoder.info)
        self.engine.decide_with(decoder.predict, rule)
        if self._pump is not None:
            self._pump.sum_into(follow(decoder, self.engine))
            self._sending.follow(decoder, self._pump)

    def disarm(self, why: str) -> None:
        """Fire no more until somebody arms anew."""
        self.firing.disarm(why)

    def _take_orders(self) -> None:
        """Do what was asked for over the control channel, and say so at once."""
        if self._orders.take():
            self._said_us = 0

    def _look_after(self) -> None:
        """What can wait until the window is out: the watchdog and the health message."""
        now_us = streams.clock_us()
        changed = self.health.watch(self.engine, now_us)
        if self.health.state is State.STALE:
            self.firing.disarm("the data went stale")
        if changed:
            self._on_state(self.health)
        changed |= self.firing.look_after() or self._look_after_record()
        overdue_us = now_us - self._said_us - HEALTH_US
        if changed or overdue_us >= (0 if self._is_calm(now_us) else OVERDUE_US):
            self._tell_health(now_us, self.engine)

    def _look_after_record(self) -> bool:
        """Whether the record has failed since the last look; what is not recorded does not fire."""
        trouble = self.recording.news() if self.recording is not None else ""
        if trouble:
            self.health.notice = trouble
            self.firing.disarm(trouble)
            self._on_state(self.health)
        return bool(trouble)

    def _is_calm(self, now_us: int) -> bool:
        """Whether no window is about to end."""
        end_us = self.engine.next_end_us
        return end_us is None or self._clock.lsl_us(end_us) > now_us + CALM_US

    def _enter(self, state: State, message: str = "") -> None:
        now_us = streams.clock_us()
        if self.health.change(state, now_us, message):
            self._on_state(self.health)
            self._tell_health(now_us, None if state is State.WAITING else self.engine)

    def _tell_health(self, now_us: int, engine: Engine | None) -> None:
        stream_us = self._clock.now_us() if engine is not None else now_us
        said = self.health.message_of(engine, now_us, stream_us)
        trigger, policy = self.firing.told(), self.settings.trigger
        trigger |= {"classes": policy.classes, "per_session": policy.per_session}
        told: dict[str, object] = {"trigger": trigger, "bundle": self.decoder.sha256}
        told["every_ms"] = HEALTH_US / US_PER_MS
        if self.recording is not None:
            told["record"] = self.recording.told()
        if engine is not None:
            self._tell_news(self._clocks.look())
            told["clocks"] = self._clocks.told()
        self._outputs.tell_health(said | told, now_us)
        self._said_us = now_us

    def _tell_news(self, news: str) -> None:
        if news:
            self._on_news(news)

    def _tell_stuck(self, round_us: int) -> None:
        """In the watchdog's thread: the loop cannot say it, so this touches nothing of its."""
        now_us = streams.clock_us()
        said = self.health.stuck_message(round_us, now_us) | {"trigger": self.firing.brief()}
        self._outputs.tell_health(said, now_us)

    def _has_enough(self) -> bool:
        return 0 < self.settings.most_windows <= self.health.windows

    def _done(self) -> bool:
        if self._stopping or self._has_enough():
            return True
        end_us = self._onsets.end_us
        if not self.settings.once or end_us is None:
            return False
        # A source without watermarks ends too: by the clock.
        over_us = self._clock.now_us() - self.engine.settings.lateness_us
        reached_us = max(self.engine.watermark_us, over_us)
        return self.engine.next_end_us is None and reached_us >= end_us

    @contextmanager
    def _listen(self) -> Iterator[None]:
        """Take orders of this user; what a trigger sets off is open as long."""
        backend = self.settings.backend
        self._orders = Orders(self.name, self.firing, lambda: self.decoder, self.swap, backend)
        try:
            self.firing.open(self.settings.outputs)
            yield
        finally:
            self._orders.close()
            self.firing.close()

    def _stop(self) -> None:
        self._stopping = True
