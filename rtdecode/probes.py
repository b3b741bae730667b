"""The spike streams of a decoder, one a probe: which speak, which are silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtdecode.engine import Engine
from rtdecode.kernels.ingest import LOST, NEXT_SEQUENCE, ROWS, SEQUENCE_MASK, WATERMARK_US
from rtdecode.microseconds import NEVER_US, US_PER_MS
from rtdecode.sources import RowInlet
from rtdecode.streams import Found


class Probes:
    """Watches what each stream sends.

    Parameters
    ----------
    engine : Engine
        Hears as many streams.
    inlets : sequence of SpikeInlet or CountRows
    stale_us : int
        Without a row for this long a stream is silent.
    go_on : bool
        Whether windows wait for the others alone when one is silent. Its units'
        counts are missing then, and no window is complete.
    now_us : int
        LSL clock.
    """

    def __init__(
        self, engine: Engine, inlets: Sequence[RowInlet], stale_us: int, go_on: bool, now_us: int
    ) -> None:
        self.names = _names([inlet.stream for inlet in inlets])
        self._inlets = inlets
        self._engine = engine
        self._stale_us = stale_us
        self._go_on = go_on
        # Lists: they are looked at between posterior and trigger, where arrays take longer.
        self._rows = [0] * len(inlets)
        self._arrival_us = [now_us] * len(inlets)
        self._silent = [False] * len(inlets)

    @property
    def silent(self) -> list[str]:
        """Names of the streams that send nothing, while others do or not."""
        return [name for name, is_so in zip(self.names, self._silent, strict=True) if is_so]

    @property
    def aside(self) -> list[str]:
        """Names of those that no window waits for."""
        parts = self._engine.parts
        marks = parts.aside if parts is not None else np.zeros(len(self.names), np.bool_)
        return [name for name, is_so in zip(self.names, marks, strict=True) if is_so]

    @property
    def arrival_us(self) -> int:
        """When the stream that has been silent longest was heard; without those set aside."""
        parts = self._engine.parts
        if parts is None:
            return self._arrival_us[0]
        heeded = zip(self._arrival_us, parts.aside.tolist(), strict=True)
        return min(arrival_us for arrival_us, aside in heeded if not aside)

    def observe(self, now_us: int) -> None:
        """Note whose rows have arrived, LSL clock; set aside and take in again."""
        for stream, rows in enumerate(self._tallies()[:, ROWS].tolist()):
            if rows != self._rows[stream]:
                self._rows[stream], self._arrival_us[stream] = rows, now_us
            self._silent[stream] = now_us - self._arrival_us[stream] > self._stale_us
        parts = self._engine.parts
        # Where all are silent, there is no one to go on with.
        if parts is None or not self._go_on or all(self._silent):
            return
        for stream, is_so in enumerate(self._silent):
            if parts.aside[stream] != is_so:
                self._engine.set_aside(stream, is_so)

    def trouble(self) -> str:
        """Who is silent, for the health message; empty where all speak."""
        silent = ", ".join(self.silent)
        return f"no spikes or watermarks from {silent}" if silent else ""

    def warning(self) -> str:
        """That windows are decided without some; empty where they are not."""
        aside = ", ".join(self.aside)
        return f"going on without {aside}: the counts of its units are missing" if aside else ""

    def behind(self, end_us: int) -> list[str]:
        """Names of the streams whose watermark has not reached a window's end."""
        reached = (self._states()[:, WATERMARK_US] >= end_us).tolist()
        return [name for name, has in zip(self.names, reached, strict=True) if not has]

    def last_rows(self) -> dict[str, int]:
        """Sequence of the last row taken, by stream."""
        last = (self._states()[:, NEXT_SEQUENCE] - 1) & SEQUENCE_MASK
        return dict(zip(self.names, last.tolist(), strict=True))

    def rows_taken(self) -> dict[str, int]:
        """Rows taken since the start, by stream."""
        return dict(zip(self.names, self._tallies()[:, ROWS].tolist(), strict=True))

    def first_rows(self) -> dict[str, int]:
        """Time of the first row, by count stream: we number its rows ourselves, from there on."""
        firsts = [inlet.first_us for inlet in self._inlets]
        return {
            name: first_us
            for name, first_us in zip(self.names, firsts, strict=True)
            if first_us is not None
        }

    def told(self, now_us: int, stream_us: int) -> list[dict[str, object]]:
        """What the health message says of each stream.

        Parameters
        ----------
        now_us : int
            LSL clock.
        stream_us : int
            The streams' own.
        """
        tallies, marks = self._tallies(), self._states()[:, WATERMARK_US].tolist()
        return [
            {
                "name": name,
                "silent": self._silent[i],
                "data_age_ms": (now_us - self._arrival_us[i]) / US_PER_MS,
                "watermark_lag_ms": None if mark == NEVER_US else (stream_us - mark) / US_PER_MS,
                "rows": int(tallies[i, ROWS]),
                "lost": int(tallies[i, LOST]),
            }
            for i, (name, mark) in enumerate(zip(self.names, marks, strict=True))
        ]

    def _tallies(self) -> NDArray[np.int64]:
        parts = self._engine.parts
        return self._engine.intake.tally[np.newaxis] if parts is None else parts.tallies

    def _states(self) -> NDArray[np.int64]:
        parts = self._engine.parts
        return self._engine.intake.state[np.newaxis] if parts is None else parts.states


def _names(found: Sequence[Found]) -> list[str]:
    """Names that differ: with the host, then with a number, where two are called the same."""
    names = [stream.name for stream in found]
    hosts = [f"{stream.name}@{stream.host}" for stream in found]
    if len(set(hosts)) < len(hosts):
        return [f"{host}#{place}" for place, host in enumerate(hosts)]
    often = Counter(names)
    return [host if often[name] > 1 else name for name, host in zip(names, hosts, strict=True)]
