"""A session as Open Ephys GUI's Event Broadcaster would send it, over a real ZeroMQ socket.

    python -m replay.open_ephys SESSION --units units.json

Each probe is a stream of the GUI with a clock of its own. Spikes and TTL edges
leave together when their processing block is over, the edges first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Annotated

import numpy as np
import typer
import zmq
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.bridge.unit_ids import FORMAT
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session import read_session
from rtdecode.session.model import Session
from rtdecode.session.quality import QualityFilter
from rtdecode.stop_signals import on_stop_signals

SAMPLE_RATE = 30_000.0
UNITS_AN_ELECTRODE = 4
PULSE_US = 20 * US_PER_MS
IS_TTL, IS_SPIKE = (np.array([kind], np.uint16).tobytes() for kind in (0, 1))


@dataclass(frozen=True)
class BroadcastSettings:
    """How a session is sent.

    Attributes
    ----------
    address : str
        To bind to; port 0 or ``*`` for any that is free.
    start_us, stop_us : int or None
        Stretch of the session; from its first spike or onset to its last spike without.
    onsets_us : sequence of int
        Session times at which the TTL line rises.
    line : int
    block_us : int
        Length of a processing block.
    drift_ppm : float
        How much faster the device's clock runs than this machine's.
    jitter_us : int
        A block leaves this much late, at most.
    """

    address: str = "tcp://127.0.0.1:5557"
    start_us: int | None = None
    stop_us: int | None = None
    onsets_us: Sequence[int] = field(default_factory=tuple)
    line: int = 0
    block_us: int = 25_600
    drift_ppm: float = 0.0
    jitter_us: int = 2_000


class Broadcaster:
    """Sends a stretch of a session once.

    Attributes
    ----------
    port : int
        Where it listens.
    sent_spikes, sent_onsets : int
    late_blocks : int
        Blocks that left more than a block late: this machine does not keep up.
    """

    def __init__(self, session: Session, settings: BroadcastSettings) -> None:
        self._settings = settings
        times_us, rows = session.in_time_order()
        first_us = min([int(times_us[0]), *settings.onsets_us])
        self._start_us = first_us if settings.start_us is None else settings.start_us
        self._stop_us = int(times_us[-1]) + 1 if settings.stop_us is None else settings.stop_us
        low, high = np.searchsorted(times_us, [self._start_us, self._stop_us])
        self._times_us, self._rows = times_us[low:high], rows[low:high]
        self._spike_text = [_spike_text(*_named(session, row)) for row in range(len(session.units))]
        self._edge_us, self._edges = _edges(session, settings, self._start_us, self._stop_us)
        # As PUB, and tells of subscribers: nothing is sent before there is one.
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.bind(settings.address)
        self.port = int(self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rsplit(":", 1)[1])
        self._random = np.random.default_rng(0)
        self.sent_spikes = self.sent_onsets = self.late_blocks = 0

    @property
    def total_spikes(self) -> int:
        """Spikes of the stretch."""
        return len(self._times_us)

    def wait(self, timeout_s: float = 60.0) -> None:
        """Until somebody subscribes.

        Raises
        ------
        UserError
            If nobody does in time.
        """
        if not self._socket.poll(round(timeout_s * 1000)):
            raise UserError(
                f"expected a subscriber on port {self.port} within {timeout_s:g} s, found none: "
                f"start rtdecode bridge open-ephys --port {self.port}"
            )
        self._socket.recv()

    def play(self, goes_on: Callable[[], bool] = lambda: True) -> int:
        """Send block after block at its time; LSL time of the stretch's start."""
        settings = self._settings
        origin_us = streams.clock_us() - self._start_us
        low_us = self._start_us
        while low_us < self._stop_us and goes_on():
            high_us = min(low_us + settings.block_us, self._stop_us)
            leaves_us = high_us + origin_us + int(self._random.integers(settings.jitter_us + 1))
            behind_us = streams.clock_us() - leaves_us
            time.sleep(max(0, -behind_us) / US_PER_S)
            self.late_blocks += behind_us > settings.block_us
            self._send_block(low_us, high_us)
            low_us = high_us
        return origin_us + self._start_us

    def close(self) -> None:
        """Send what is on its way, then close."""
        self._socket.close(linger=2000)

    def _send_block(self, low_us: int, high_us: int) -> None:
        send, low_high = self._socket.send_multipart, [low_us, high_us]
        low, high = np.searchsorted(self._edge_us, low_high)
        samples = self._samples(self._edge_us[low:high])
        for text, sample in zip(self._edges[low:high], samples, strict=True):
            send([IS_TTL, text % sample])
            self.sent_onsets += b"true" in text
        low, high = np.searchsorted(self._times_us, low_high)
        samples = self._samples(self._times_us[low:high])
        for row, sample in zip(self._rows[low:high].tolist(), samples, strict=True):
            send([IS_SPIKE, self._spike_text[row] % sample])
        self.sent_spikes += int(high - low)

    def _samples(self, times_us: NDArray[np.int64]) -> list[int]:
        seconds = (times_us - self._start_us) / US_PER_S
        samples: NDArray[np.float64] = seconds * SAMPLE_RATE * (1 + self._settings.drift_ppm / 1e6)
        return [int(sample) for sample in np.rint(samples)]


def _named(session: Session, row: int) -> tuple[str, str, int]:
    """Stream, electrode and sorted id of a unit, as the GUI would call it."""
    stream = str(session.units.probes[row]) or "probe"
    electrode = f"{stream} Electrode {row // UNITS_AN_ELECTRODE + 1}"
    return stream, electrode, 1 + row % UNITS_AN_ELECTRODE


def _spike_text(stream: str, electrode: str, sorted_id: int) -> bytes:
    """A spike's JSON with a place for its sample number."""
    return _text(
        {
            "event_type": "spike",
            "stream": stream,
            "source_node": 101,
            "electrode": electrode,
            "num_channels": 1,
            "sample_rate": SAMPLE_RATE,
            "sample_number": "@",
            "sorted_id": sorted_id,
            "amp1": -62.5,
        }
    )


def _edge_text(stream: str, line: int, rising: bool) -> bytes:
    return _text(
        {
            "event_type": "ttl",
            "stream": stream,
            "source_node": 100,
            "sample_rate": SAMPLE_RATE,
            "channel_name": "TTL input",
            "sample_number": "@",
            "line": line,
            "state": rising,
        }
    )


def _text(values: dict[str, object]) -> bytes:
    return json.dumps(values).replace("%", "%%").replace('"@"', "%d").encode()


def _edges(
    session: Session, settings: BroadcastSettings, start_us: int, stop_us: int
) -> tuple[NDArray[np.int64], list[bytes]]:
    """Times and texts of the line's edges, in order."""
    stream = _named(session, 0)[0] if len(session.units) else "probe"
    onsets_us = np.array([t for t in settings.onsets_us if start_us <= t < stop_us], np.int64)
    times_us = np.concatenate([onsets_us, onsets_us + PULSE_US])
    rising = np.arange(len(times_us)) < len(onsets_us)
    order = np.argsort(times_us, kind="stable")
    texts = [_edge_text(stream, settings.line, bool(rising[i])) for i in order]
    return times_us[order], texts


def write_units(session: Session, path: Path) -> None:
    """The table of unit ids that makes a bridge give the session's own."""
    rows = [
        dict(zip(("stream", "electrode", "sorted_id"), _named(session, row), strict=True))
        | {"id": int(unit_id)}
        for row, unit_id in enumerate(session.units.ids)
    ]
    path.write_text(json.dumps({"format": FORMAT, "units": rows}, indent=1) + "\n")


def onsets_of(session: Session, table: str) -> NDArray[np.int64]:
    """Onsets of a stimulus table, session microseconds.

    Raises
    ------
    UserError
        If the session has no such table.
    """
    if table not in session.presentations:
        known = ", ".join(session.presentations) or "none"
        raise UserError(f"expected a table {table!r} in {session.name}, found {known}: name one")
    return session.presentations[table].start_us


def main(
    session: Annotated[Path, typer.Argument(help="A recorded session (NWB).")],
    port: Annotated[int, typer.Option(help="Where the GUI would publish.")] = 5557,
    start: Annotated[float | None, typer.Option(help="From this second of the session.")] = None,
    stop: Annotated[float | None, typer.Option(help="Up to this second of the session.")] = None,
    table: Annotated[str, typer.Option(help="Stimulus table whose onsets raise line 0.")] = "",
    units: Annotated[
        Path | None, typer.Option(help="Write the table of unit ids for the bridge.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
) -> None:
    """Send a session as Open Ephys GUI would."""
    played = read_session(session, quality=QualityFilter.off())
    if units is not None:
        check_writable(units, force)
        write_units(played, units)
    settings = BroadcastSettings(
        address=f"tcp://127.0.0.1:{port}",
        start_us=None if start is None else round(start * US_PER_S),
        stop_us=None if stop is None else round(stop * US_PER_S),
        onsets_us=onsets_of(played, table).tolist() if table else (),
    )
    broadcaster = Broadcaster(played, settings)
    typer.echo(f"waiting for a bridge on port {broadcaster.port}", err=True)
    broadcaster.wait(600.0)
    stopped = Event()
    with on_stop_signals(stopped.set):
        broadcaster.play(lambda: not stopped.is_set())
    broadcaster.close()
    typer.echo(
        f"sent {broadcaster.sent_spikes:,} spikes and {broadcaster.sent_onsets:,} onsets", err=True
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.echo(f"rtdecode: {error}", err=True)
        raise SystemExit(2) from None
