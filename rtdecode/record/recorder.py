"""The recorder: a process that hears what the decoder hears and says, and writes it down.

Run as ``python -m rtdecode.record.recorder`` by ``rtdecode.record.recording``.
It is told by lines of JSON on standard input: first what the run is, then the
streams as they are found, then the end; the end of its input is the end, too,
for then the decoder is dead. It answers by lines of JSON on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from rtdecode import streams
from rtdecode.count_inlet import CountRows
from rtdecode.errors import UserError
from rtdecode.kernels.stamps import stamps_to_us
from rtdecode.microseconds import US_PER_S
from rtdecode.record.journal import Journal, JournalReader, journal_of, remove
from rtdecode.record.roles import COUNTS, POSTERIOR, SPIKES

PULL_S = 0.005  # arrival times are this coarse
SYNC_S = 0.5
QUIET_S, LINGER_S = 0.3, 2.0  # at the end, for what is still on its way
FIND_S = 10.0
NICE = 10

Tell = Callable[[Mapping[str, object]], None]
Inlet = streams.SpikeInlet | CountRows | streams.TextInlet | streams.PosteriorInlet

FORMATS = {
    SPIKES: streams.SPIKE_FORMAT,
    COUNTS: streams.COUNT_FORMAT,
    POSTERIOR: streams.POSTERIOR_FORMAT,
}
INLETS: dict[str, Callable[[streams.Found], Inlet]] = {
    SPIKES: streams.SpikeInlet,
    COUNTS: CountRows,
    POSTERIOR: streams.PosteriorInlet,
}


class Recorder:
    """Pulls streams into a journal until it is told to end.

    Parameters
    ----------
    journal : Journal
    orders : queue of mapping
        What is asked; ``{"stream": ...}``, ``{"end": True}``, or ``{"drop": True}``:
        end, and leave nothing.
    tell : callable
        Says a line to whoever started us.

    Attributes
    ----------
    heard : bool
        Whether a row of spikes has come.
    dropped : bool
        Whether nothing of it is wanted.
    """

    def __init__(self, journal: Journal, orders: queue.SimpleQueue[Any], tell: Tell) -> None:
        self.journal = journal
        self._orders = orders
        self._tell = tell
        self._inlets: dict[str, Inlet] = {}
        self.heard = self.dropped = False
        self._times_us = np.empty(1 << 16, np.int64)
        self.ending = False

    def run(self) -> None:
        """Record to the end.

        Raises
        ------
        OSError
            If the disk does not take it.
        """
        syncing = _Syncing(self.journal)
        with syncing:
            while not self.ending:
                self._take_orders()
                self._pull()
                syncing.check()
                time.sleep(PULL_S)
            if not self.dropped:
                self._drain()

    def _take_orders(self) -> None:
        with contextlib.suppress(queue.Empty):
            while not self.ending:
                order = self._orders.get_nowait()
                self.dropped = "drop" in order
                self.ending = self.dropped or "end" in order
                if "stream" in order:
                    self._open(order["stream"])

    def _open(self, wanted: Mapping[str, str]) -> None:
        """Begin to hear a stream and say so; or say why not."""
        role = wanted["role"]
        found = _find(role, wanted["uid"])
        if found is None:
            why = f"the stream of {role} did not answer within {FIND_S:g} s"
            self._tell({"opened": wanted["uid"], "missing": why})
            return
        key = f"{role}-{len(self._inlets)}"
        inlet = _inlet_of(role, found)
        inlet.open()
        self.journal.add_stream({"key": key, "role": role, "name": found.name} | _about(inlet))
        self._inlets[key] = inlet
        self._tell({"opened": wanted["uid"]})

    def _drain(self) -> None:
        """What was sent before the end and is on its way."""
        until = time.monotonic() + LINGER_S
        quiet = time.monotonic() + QUIET_S
        while time.monotonic() < min(quiet, until):
            if self._pull():
                quiet = time.monotonic() + QUIET_S
            time.sleep(PULL_S)

    def _pull(self) -> bool:
        """Write down whatever has come; whether anything has."""
        return sum(self._pull_one(key, inlet) for key, inlet in self._inlets.items()) > 0

    def _pull_one(self, key: str, inlet: Inlet) -> bool:
        match inlet:
            case streams.TextInlet():
                return self._pull_texts(key, inlet)
            case streams.SpikeInlet() | CountRows():
                samples, stamps = inlet.pull()
                if len(stamps):
                    times_us, arrival_us = self._microseconds(stamps), streams.clock_us()
                    self.journal.rows(key, samples, times_us, arrival_us)
                    self.heard = True
            case _:
                probabilities, stamps = inlet.pull()
                if len(stamps):
                    times_us, arrival_us = self._microseconds(stamps), streams.clock_us()
                    self.journal.posteriors(key, probabilities, times_us, arrival_us)
        return bool(len(stamps))

    def _pull_texts(self, key: str, inlet: streams.TextInlet) -> bool:
        texts = inlet.pull()
        if texts:
            self.journal.texts(key, texts, streams.clock_us())
        return bool(texts)

    def _microseconds(self, stamps: NDArray[np.float64]) -> NDArray[np.int64]:
        """As the decoder rounds them."""
        stamps_to_us(stamps, len(stamps), self._times_us)
        return self._times_us[: len(stamps)]


class _Syncing:
    """Syncs a journal in a thread of its own: a slow disk delays no arrival time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stop = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what the disk had to say."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._stop.wait(SYNC_S):
            try:
                self._journal.sync()
            except OSError as error:
                self._error = error
                return


def _find(role: str, uid: str) -> streams.Found | None:
    return streams.find_by_uid(uid, FORMATS.get(role, streams.TEXT_FORMAT), FIND_S)


def _inlet_of(role: str, found: streams.Found) -> Inlet:
    return INLETS.get(role, streams.TextInlet)(found)


def _about(inlet: Inlet) -> dict[str, object]:
    """What a stream says of itself."""
    said: dict[str, object] = {"host": inlet.stream.host, "source_id": inlet.stream.source_id}
    if isinstance(inlet, streams.PosteriorInlet):
        return said | {"classes": inlet.classes()}
    if isinstance(inlet, streams.TextInlet):
        return said
    units = inlet.units()
    depths = [None if np.isnan(depth) else depth for depth in units.depths_um.tolist()]
    table = {
        "ids": units.ids.tolist(),
        "areas": units.areas.tolist(),
        "depths_um": depths,
        "probes": units.probes.tolist(),
    }
    return said | {"units": table, "replay": inlet.replay()}


def finish(folder: Path, file: Path, tell: Tell) -> None:
    """Make the record of a journal and take the journal away."""
    from rtdecode.record.nwb import write_record

    try:
        n = write_record(JournalReader(folder), file, lambda share: tell({"share": share}))
    except (OSError, UserError) as error:
        why = f"{file} could not be written ({error}); what was recorded lies in {folder}: "
        tell({"failed": why + f"make room, then rtdecode recover {folder}"})
        return
    remove(folder)
    tell({"written": str(file), "rows": n})


def record(spec: Mapping[str, Any], orders: queue.SimpleQueue[Any], tell: Tell) -> None:
    """Record a run and make its file.

    Parameters
    ----------
    spec : mapping
        ``file``, ``force``, and ``about``: what goes into the record.
    orders : queue of mapping
    tell : callable
    """
    file = Path(spec["file"])
    folder = journal_of(file)
    # By whole seconds: sliding windows lie on the same grid in the record's time.
    zero_us = streams.clock_us() // US_PER_S * US_PER_S
    about = {"zero_us": zero_us, "started_s": time.time() - (streams.clock_us() - zero_us) / 1e6}
    try:
        if spec["force"] and folder.is_dir():
            remove(folder)
        journal = Journal(folder, about | spec["about"])
        recorder = Recorder(journal, orders, tell)
        _end_on_terminate(recorder)
        tell({"ready": str(folder)})
        recorder.run()
        journal.close({"ended_s": time.time()})
    except OSError as error:
        why = f"{folder} takes no more ({error.strerror or error}); what is in it stays: "
        tell({"failed": why + f"make room, then rtdecode recover {folder}"})
        return
    except UserError as error:
        tell({"failed": str(error)})
        return
    if recorder.dropped:
        remove(folder)
    elif recorder.heard:
        finish(folder, file, tell)
    else:
        remove(folder)
        tell({"failed": "no row of spikes came, so there is nothing to record"})


def _end_on_terminate(recorder: Recorder) -> None:
    """Terminate ends it; Ctrl-C is for the decoder, whose end is ours."""

    def stop(number: int, frame: FrameType | None) -> None:
        recorder.ending = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)


def _step_back() -> None:
    """Whatever the decoder's priority is, ours is below it."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    me = psutil.Process()
    me.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE)


def _hear(orders: queue.SimpleQueue[Any]) -> None:
    """Lines of standard input as orders; its end is one as well."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put({"end": True})


def _say(said: Mapping[str, object]) -> None:
    """A line to the decoder; to the console where there is no decoder any more."""
    try:
        print(json.dumps(said), flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - or Python fails at exit
        if "failed" in said or "written" in said:
            text = said.get("failed") or f"the decoder is gone; its record is {said['written']}"
            print(f"rtdecode: {text}", file=sys.stderr)


def main() -> None:
    """Record as standard input says."""
    _step_back()
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(orders,), daemon=True).start()
    spec = orders.get()
    if "end" not in spec:
        record(spec, orders, _say)


if __name__ == "__main__":
    main()
