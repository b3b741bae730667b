"""The state of the decoder as others see it, and the watchdog that decides it."""

from __future__ import annotations

from enum import StrEnum

from rtdecode.engine import Engine
from rtdecode.kernels.ingest import NEWEST_US, ROWS, WATERMARK_US, WATERMARKS
from rtdecode.latency import LatencyLog
from rtdecode.markers import Kind
from rtdecode.microseconds import FOREVER_US, NEVER_US, US_PER_MS, US_PER_S
from rtdecode.probes import Probes
from rtdecode.strain import Strain

STEPPED = "rows come, but their times stand still: has the source's clock stepped?"


class State(StrEnum):
    """What the decoder is doing."""

    WAITING = "WAITING"
    READY = "READY"
    DECODING = "DECODING"
    STALE = "STALE"
    FAULTED = "FAULTED"
    STOPPED = "STOPPED"


class Health:
    """Watches what arrives and tells the state.

    Parameters
    ----------
    stale_us : int
        Without a row for this long the data are stale.

    Attributes
    ----------
    notice : str
        What stays worth knowing whatever the state: told where the state has no message.
    probes : Probes or None
        The spike streams, where each is watched for itself.
    """

    def __init__(self, stale_us: int) -> None:
        self.stale_us = stale_us
        self.state = State.WAITING
        self.since_us = 0
        self.message = ""
        self.notice = ""
        self.probes: Probes | None = None
        self.windows = 0
        self.incomplete = 0
        self.faulted = 0
        self.markers = dict.fromkeys((kind.value for kind in Kind if kind is not Kind.END), 0)
        self.latency = LatencyLog()
        self.strain = Strain()
        self._fault = ""
        self._rows = 0
        self._arrival_us = 0
        self._latest_us = NEVER_US
        self._moved_us = 0
        self._rate_from = (0, 0)
        self.spikes_per_s = 0.0

    def change(self, state: State, now_us: int, message: str = "") -> bool:
        """Enter a state; whether it is another than before."""
        if state == self.state and message == self.message:
            return False
        self.state, self.since_us, self.message = state, now_us, message
        return True

    def judge(self, sound: bool, now_us: int) -> bool:
        """Look at a window's answer; whether the state has changed by that.

        Parameters
        ----------
        sound : bool
            Whether the model gave probabilities.
        now_us : int
            LSL clock.
        """
        self.windows += 1
        self.faulted += not sound
        self._fault = "" if sound else "the model gave no probabilities"
        if sound:
            return self.state is State.FAULTED and self.change(State.DECODING, now_us)
        return self.change(State.FAULTED, now_us, self._fault)

    @property
    def is_decoding(self) -> bool:
        """Whether nothing is known to be wrong."""
        return self.state in (State.READY, State.DECODING)

    def watch(self, engine: Engine, now_us: int) -> bool:
        """Look whether rows still arrive; whether the state has changed by that.

        Parameters
        ----------
        engine : Engine
        now_us : int
            LSL clock.
        """
        self.observe(engine, now_us)
        if not self._rows:
            return False
        if now_us - self._arrival_us > self.stale_us:
            trouble = "" if self.probes is None else self.probes.trouble()
            message = trouble or "no spikes or watermarks"
            return self.change(State.STALE, self.since_us_or(now_us), message)
        if now_us - self._moved_us > self.stale_us:
            return self.change(State.STALE, self._moved_us, STEPPED)
        if self._fault:
            return self.change(State.FAULTED, self.since_us, self._fault)
        message = "" if self.probes is None else self.probes.warning()
        message = message or self.strain.warning(engine, now_us)
        return self.change(State.DECODING if self.windows else State.READY, now_us, message)

    def observe(self, engine: Engine, now_us: int) -> None:
        """Note whether rows have arrived; of several streams, from the one silent longest."""
        rows = int(engine.intake.tally[ROWS])
        if self.probes is not None:
            self.probes.observe(now_us)
            self._rows, self._arrival_us = rows, self.probes.arrival_us
        elif rows != self._rows:
            self._rows, self._arrival_us = rows, now_us
        state = engine.intake.state
        latest_us = max(int(state[WATERMARK_US]), int(state[NEWEST_US]))
        if latest_us != self._latest_us or not self._moved_us:
            self._latest_us, self._moved_us = latest_us, now_us

    def since_us_or(self, now_us: int) -> int:
        """When the present staleness began: the last arrival, or kept once told."""
        return self.since_us if self.state is State.STALE else self._arrival_us or now_us

    def data_age_us(self, now_us: int) -> int:
        """Microseconds since a row last arrived; without end before the first."""
        return now_us - self._arrival_us if self._rows else FOREVER_US

    def data_age_ms(self, now_us: int) -> float | None:
        """Milliseconds since a row last arrived; None before the first."""
        return (now_us - self._arrival_us) / US_PER_MS if self._rows else None

    def message_of(self, engine: Engine | None, now_us: int, stream_us: int) -> dict[str, object]:
        """The health message, a JSON object.

        Parameters
        ----------
        engine : Engine or None
            None while the decoder waits for its streams.
        now_us : int
            LSL clock.
        stream_us : int
            The stream's clock: another than LSL's in a replay at another speed.
        """
        said: dict[str, object] = {
            "state": self.state.value,
            "since_s": self.since_us / US_PER_S,
            "message": self.message or self.notice,
            "data_age_ms": self.data_age_ms(now_us),
            "windows": self.windows,
            "windows_incomplete": self.incomplete,
            "windows_faulted": self.faulted,
            "markers": self.markers,
            "latency_ms": self.latency.summary(),
        }
        if engine is not None:
            self._measure_rate(engine, now_us)
            if self.probes is not None:
                said["streams"] = self.probes.told(now_us, stream_us)
            said |= {
                "watermark_lag_ms": _lag_ms(engine, stream_us),
                "spikes_per_s": round(self.spikes_per_s, 1),
                "spikes": engine.totals,
                "windows_skipped": engine.skipped,
            }
        return said

    def stuck_message(self, round_us: int, now_us: int) -> dict[str, object]:
        """What is told of a loop that has not come round since, LSL clock; reads alone."""
        stuck_s = (now_us - round_us) / US_PER_S
        return {
            "state": State.FAULTED.value,
            "since_s": round_us / US_PER_S,
            "message": f"the decoder's loop has not come round for {stuck_s:.1f} s",
            "data_age_ms": self.data_age_ms(now_us),
            "windows": self.windows,
            "windows_incomplete": self.incomplete,
            "windows_faulted": self.faulted,
        }

    def _measure_rate(self, engine: Engine, now_us: int) -> None:
        tally = engine.intake.tally
        spikes = int(tally[ROWS] - tally[WATERMARKS])
        since_us, before = self._rate_from
        if since_us and now_us > since_us:
            self.spikes_per_s = (spikes - before) * US_PER_S / (now_us - since_us)
        self._rate_from = (now_us, spikes)


def _lag_ms(engine: Engine, stream_us: int) -> float | None:
    """How far the watermark, or the newest spike without one, lies behind the clock."""
    latest_us = int(max(engine.intake.state[[WATERMARK_US, NEWEST_US]]))
    return None if latest_us == NEVER_US else round((stream_us - latest_us) / US_PER_MS, 3)
