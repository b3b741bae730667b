"""A record decoded again: the rows in the order they came, each window closed where it was.

A window that waited in vain, a row that came late or twice: all of it depends
on what had arrived when a window was decided. So a record is not fed in order
of time, as a session is, but cut where each decision says that it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtdecode.decision import Decision
from rtdecode.decoder import Decoder
from rtdecode.early import StoppingRule
from rtdecode.engine import Engine, EngineSettings
from rtdecode.errors import UserError
from rtdecode.kernels.ingest import KINDS, MOST_OVERTAKEN, SEQUENCE_MASK
from rtdecode.microseconds import FOREVER_US
from rtdecode.record.read import Record, Recorded, Rows, is_record, read_record, sane_times
from rtdecode.virtual import new_engine

FAR_ROWS = 1 << 16


@dataclass
class Comparison:
    """How often a window came out as it was recorded.

    Attributes
    ----------
    windows, equal : int
    strangers : int
        Windows that another bundle had decided: not compared.
    """

    windows: int = 0
    equal: int = 0
    strangers: int = 0
    differing: list[int] = field(default_factory=list)

    def told(self) -> dict[str, int]:
        """As figures of a run."""
        told = {"equal": self.equal, "of": self.windows, "other_bundle": self.strangers}
        return told | ({"first_differing": self.differing[0]} if self.differing else {})

    def add(self, decision: Decision, recorded: Recorded, decoder: Decoder) -> None:
        """Hold a decision against the recorded one."""
        if recorded.bundle != decoder.sha256:
            self.strangers += 1
            return
        self.windows += 1
        if said_of(decision, decoder) == told_by(recorded):
            self.equal += 1
        else:
            self.differing.append(recorded.window)


def said_of(decision: Decision, decoder: Decoder) -> tuple[object, ...]:
    """What of a decision stands in its message, and must come out the same again."""
    top = int(np.argmax(decision.probabilities))
    return (
        decoder.info.classes[top],
        round(float(decision.probabilities[top]), 6),
        decision.by_watermark,
        decision.complete,
        decision.in_window,
        dict(zip(KINDS, decision.spikes.tolist(), strict=True)),
    )


def told_by(recorded: Recorded) -> tuple[object, ...]:
    """The same of a recorded decision."""
    return (
        recorded.top,
        recorded.p,
        recorded.closed_by == "watermark",
        recorded.complete,
        recorded.in_window,
        recorded.spikes,
    )


def decode_record(engine: Engine, record: Record) -> Iterator[tuple[Decision, Recorded]]:
    """Decide every window of a record again.

    Parameters
    ----------
    engine : Engine
        With the record's treatment of time.
    record : Record

    A window whose rows were not recorded any more is passed over. One that was decided
    early is so again after as many bins, since rows may have come late after looks before.

    Yields
    ------
    decision : Decision
        Its times are the record's.
    recorded : Recorded
        What was said of it then.

    Raises
    ------
    UserError
        If a window was decided after bins at which the bundle does not decide.
    """
    rule = engine.rule
    names = _names(record)
    engine.hear(len(names))
    feeds = [
        _Feed(engine, _as_numbered_live(rows, name, record), stream, name)
        for stream, (rows, name) in enumerate(zip(record.rows, names, strict=True))
    ]
    for recorded in record.decisions:
        if not all(feed.holds(recorded) for feed in feeds):
            continue  # a recorder that was cut off may have heard of a window, not of its rows
        onset_us = recorded.onset_us - record.zero_us
        engine.rule = None if rule is None else _decided_after(rule, recorded)
        window = engine.mark(onset_us, recorded.label, recorded.session_us)
        for feed in feeds:
            feed.send_until(recorded)
        # Of several streams, one that was silent was not waited for.
        for stream, name in enumerate(names if len(names) > 1 else ()):
            aside = recorded.closed_by == "watermark" and name in recorded.missing
            engine.set_aside(stream, aside)
        # Whatever has come by now is all that there was: the window waits no longer.
        for decision in engine.step(window.end_us + engine.settings.lateness_us):
            yield decision, recorded


@dataclass(frozen=True, eq=False)
class Again:
    """A record that is about to be decoded again.

    Parameters
    ----------
    decoder : Decoder
    record : Record
        Of a run in which this very bundle decided.

    Attributes
    ----------
    engine : Engine
    comparison : Comparison
        Filled as the decisions are taken.
    """

    decoder: Decoder
    record: Record
    engine: Engine
    comparison: Comparison = field(default_factory=Comparison)

    def decisions(self, start_us: int | None, stop_us: int | None) -> Iterator[Decision]:
        """Every window with an onset in ``[start_us, stop_us)``, session time.

        The session's is what a replay told; without one the record's own.
        """
        for decision, recorded in decode_record(self.engine, self.record):
            self.comparison.add(decision, recorded, self.decoder)
            told_us = decision.window.session_us
            onset_us = decision.window.onset_us if told_us is None else told_us
            if (start_us is None or onset_us >= start_us) and (
                stop_us is None or onset_us < stop_us
            ):
                yield decision


def open_again(decoder: Decoder, path: Path, asked: EngineSettings) -> Again | None:
    """The run that a file is the record of; None where it is none, or of other bundles.

    None too where other windows are asked for than were decided then, or earlier decisions.

    Raises
    ------
    UserError
        If the file cannot be read.
    """
    if asked.hop_us or path.is_dir() or not is_record(path):
        return None
    record = read_record(path)
    if decoder.sha256 not in record.bundles:
        return None
    how = record.treatment().settings()
    if asked.early and (how.early, how.decide_at) != (True, asked.decide_at):
        return None
    return Again(decoder, record, new_engine(decoder, how))


def _decided_after(rule: StoppingRule, recorded: Recorded) -> StoppingRule:
    """The rule that decides as was recorded."""
    bins = recorded.bins_used
    if bins not in rule.steps:
        raise UserError(
            f"expected window {recorded.window} of the record to be decided after "
            f"{', '.join(map(str, rule.steps))} bins, found {bins}: get the file again"
        )
    return replace(rule, steps=(bins,))


def _names(record: Record) -> list[str]:
    """What the decoder calls its spike streams, in the order in which it opened them."""
    told = list(record.decisions[0].rows) if record.decisions else []
    return told if len(told) == len(record.rows) else [rows.name for rows in record.rows]


def _as_numbered_live(rows: Rows, name: str, record: Record) -> Rows:
    """Rows of counts with the decoder's numbers: it and the recorder count from their first row."""
    firsts = (said.first_us[name] for said in record.decisions if name in said.first_us)
    first_us = next(firsts, None)
    if first_us is None:
        return rows
    begun = np.flatnonzero(rows.time_us == first_us - record.zero_us)
    if not len(begun):
        return rows
    samples = rows.samples.copy()
    samples[:, 1] = (samples[:, 1].astype(np.int64) - samples[begun[0], 1]) & SEQUENCE_MASK
    return replace(rows, samples=samples)


class _Feed:
    """One stream's rows, sent up to where a decision was made."""

    def __init__(self, engine: Engine, rows: Rows, stream: int, name: str) -> None:
        self._engine = engine
        self._stream = stream
        self._name = name
        self._times_us = sane_times(rows, engine.settings.ahead_us)
        self._dedup_us = 0 if rows.counts else engine.settings.dedup_us
        self._samples = rows.samples
        self._sequence = rows.samples[:, 1]
        self._sent = self._taken = 0
        self._begun = False

    def holds(self, recorded: Recorded) -> bool:
        """Whether the last row that had been taken when this was decided is there."""
        last = recorded.rows.get(self._name, -1)
        ahead = self._sequence[max(0, self._sent - MOST_OVERTAKEN) :]
        # Near the end alone: a look through all that is to come, for each window, takes long.
        return last < 0 or len(ahead) > FAR_ROWS or bool((ahead == last).any())

    def send_until(self, recorded: Recorded) -> None:
        """Send what had been taken when this was decided."""
        last = recorded.rows.get(self._name, -1)
        taken = recorded.taken.get(self._name, 0)
        if last < 0 or (taken == self._taken and self._begun):
            return
        stop = self._cut(last, taken)
        if not self._begun:
            # What came before the decoder listened: it never knew of it.
            self._sent, self._begun = max(0, stop - taken) if taken else 0, True
        rows = slice(self._sent, stop)
        samples, times_us = self._samples[rows], self._times_us[rows]
        # Each stamp was held against the clock of its arrival already.
        self._engine.take(self._stream, samples, times_us, len(samples), FOREVER_US, self._dedup_us)
        self._sent, self._taken = max(self._sent, stop), taken

    def _cut(self, last: int, taken: int) -> int:
        """How many rows had come when the row of this sequence was the newest."""
        expected = self._sent + taken - self._taken
        if self._begun and self._holds(last, expected):
            return expected
        found = _place(self._sequence, last, max(self._sent, 0 if self._begun else taken - 1))
        return len(self._sequence) if found is None else found + 1

    def _holds(self, last: int, stop: int) -> bool:
        """Whether the newest of the rows up to here has this sequence."""
        newest = self._sequence[max(0, stop - MOST_OVERTAKEN) : stop]
        return stop <= len(self._sequence) and bool((newest == last).any())


def _place(sequence: NDArray[np.int32], wanted: int, start: int) -> int | None:
    """Where a sequence stands next, looked for in pieces."""
    for first in range(start, len(sequence), 1 << 16):
        found = np.flatnonzero(sequence[first : first + (1 << 16)] == wanted)
        if len(found):
            return first + int(found[0])
    return None
