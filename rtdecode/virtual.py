"""The engine on the virtual clock: a recorded session decoded as it would be live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtdecode.decision import Decision
from rtdecode.decoder import Decoder
from rtdecode.early import StoppingRule
from rtdecode.engine import Engine, EngineSettings
from rtdecode.kernels.feed import fill_samples
from rtdecode.kernels.ingest import SEQUENCE_MASK, WATERMARK_ID
from rtdecode.session.model import Session
from rtdecode.tasks import Task, apply_rule
from rtdecode.windows import Hops

TimedSpikes = tuple[NDArray[np.int64], NDArray[np.int32]]


def decode_session(
    decoder: Decoder,
    session: Session,
    settings: EngineSettings | None = None,
    start_us: int | None = None,
    stop_us: int | None = None,
) -> Iterator[Decision]:
    """Decode every window of the bundle's task.

    Parameters
    ----------
    decoder : Decoder
    session : Session
        Must have all of the bundle's units; others are counted unknown.
    settings : EngineSettings, optional
    start_us, stop_us : int, optional
        Onsets to decode, session time: from the first, before the second.

    Raises
    ------
    UserError
        If the session lacks the bundle's units or its stimulus.
    """
    decoder.check_units(session.units.ids)
    task = presentations_between(decoder, session, start_us, stop_us)
    return decode_task(new_engine(decoder, settings), session, task)


def presentations_between(
    decoder: Decoder, session: Session, start_us: int | None, stop_us: int | None
) -> Task:
    """The bundle's presentations with onsets in ``[start_us, stop_us)``."""
    task = apply_rule(session, decoder.info.label_rule)
    keep = np.ones(len(task), np.bool_)
    if start_us is not None:
        keep &= task.onsets_us >= start_us
    if stop_us is not None:
        keep &= task.onsets_us < stop_us
    task = task.take(keep)
    # A label that is none of the classes is decoded, not scored, as live.
    known = np.isin(task.labels, decoder.info.classes)
    return replace(task, labels=np.where(known, task.labels, ""))


def new_engine(decoder: Decoder, settings: EngineSettings | None = None) -> Engine:
    """An engine for a bundle, its stages timed.

    Raises
    ------
    UserError
        If it is to decide early and the bundle cannot.
    """
    settings = settings or EngineSettings()
    unit_ids = np.array(decoder.info.unit_ids, np.int64)
    return Engine(
        unit_ids,
        decoder.info.window,
        decoder.predict,
        settings,
        tick=time.perf_counter_ns,
        rule=rule_of(decoder, settings),
    )


def rule_of(decoder: Decoder, settings: EngineSettings) -> StoppingRule | None:
    """When to decide within a window; None where that is not asked for."""
    return decoder.stopping_rule(settings.decide_at) if settings.early else None


def decode_task(
    engine: Engine, session: Session, task: Task, spikes: TimedSpikes | None = None
) -> Iterator[Decision]:
    """Feed a session's spikes, window by window, each closed by a watermark at its end.

    Parameters
    ----------
    engine : Engine
    session : Session
    task : Task
        Its labels must be among the decoder's classes or they go unscored.
    spikes : tuple, optional
        The session's ``in_time_order``, where that is at hand.
    """
    if not len(task):
        return
    source = _Source(engine, session, int(task.onsets_us[0]) + engine.spec.offset_us, spikes)
    for onset_us, label in zip(task.onsets_us.tolist(), task.labels.tolist(), strict=True):
        engine.mark(onset_us, label, session_us=onset_us)
        # Where decisions fall early, a window ends again and again until one does.
        while (end_us := engine.next_end_us) is not None:
            source.send_until(end_us)
            yield from engine.step(end_us)


def decode_sliding(
    engine: Engine, session: Session, start_us: int | None = None, stop_us: int | None = None
) -> Iterator[Decision]:
    """Decode a session's windows at the engine's hop.

    Parameters
    ----------
    engine : Engine
        Its settings give the hop.
    session : Session
    start_us, stop_us : int, optional
        No window begins before the first, none ends after the second; all by default.
    """
    start_us, stop_us = stretch(session, start_us, stop_us)
    source = _Source(engine, session, start_us)
    engine.slide_until(stop_us)
    hop_us, spec = engine.settings.hop_us, engine.spec
    first_us = Hops(hop_us, spec).ceiling(start_us + spec.duration_us)
    for end_us in range(first_us, stop_us + 1, hop_us):
        source.send_until(end_us)
        yield from engine.step(end_us)


def stretch(session: Session, start_us: int | None, stop_us: int | None) -> tuple[int, int]:
    """What of a session to decode: from its first spike to its last where not told."""
    times_us = session.spike_times_us
    first_us = int(times_us.min()) if len(times_us) else 0
    last_us = int(times_us.max()) + 1 if len(times_us) else 0
    return first_us if start_us is None else start_us, last_us if stop_us is None else stop_us


class _Source:
    """A session's spikes as rows of the wire, each stretch closed by a watermark."""

    def __init__(
        self, engine: Engine, session: Session, start_us: int, spikes: TimedSpikes | None = None
    ) -> None:
        self._engine = engine
        self._times_us, self._rows = spikes or session.in_time_order()
        self._ids = session.units.ids.astype(np.int32)
        self._sent = int(np.searchsorted(self._times_us, start_us))
        self._sequence = 0
        self._samples = np.empty((0, 2), np.int32)
        self._mark = np.full((1, 2), WATERMARK_ID, np.int32)
        self.send_until(start_us)

    def send_until(self, watermark_us: int) -> None:
        """Every spike before this time that was not sent yet, then the watermark."""
        low = self._sent
        high = max(low, int(np.searchsorted(self._times_us, watermark_us)))
        if high - low > len(self._samples):
            self._samples = np.empty((2 * (high - low), 2), np.int32)
        samples = self._samples[: high - low]
        fill_samples(self._ids, self._rows, low, high, self._sequence, samples)
        self._engine.ingest(samples, self._times_us[low:high], watermark_us)
        self._mark[0, 1] = (self._sequence + high - low) & SEQUENCE_MASK
        self._engine.ingest(self._mark, np.array([watermark_us]), watermark_us)
        self._sent = high
        self._sequence += high - low + 1
