"""The decoder's side of its record: start the recorder, tell it the streams, see that it lives."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.record.journal import check_at_rest, journal_of
from rtdecode.record.share import OnShare

START_S = 30.0  # a cold start imports much
LOOK_S = 0.2


class Recording:
    """A recorder in a process of its own.

    It outlives this process if this one is killed, and then finishes the record.

    Parameters
    ----------
    file : Path
        The NWB file to be.
    about : mapping
        What goes into the record: settings, bundle, versions; JSON.
    force : bool
        Whether a file, or the journal of a run before, may be replaced.

    Raises
    ------
    UserError
        If the file or a journal is there, or pynwb is not installed.
    """

    def __init__(self, file: Path, about: Mapping[str, object], force: bool = False) -> None:
        check_record(file, force)
        self.file = file.absolute()
        self.state = "starting"
        self.trouble = ""
        self._told = ""
        self._finishing = False
        self._on_share: OnShare = lambda share: None
        self._opened: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rtdecode.record.recorder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C at the terminal, and its closing, are for the decoder alone.
            start_new_session=True,
        )
        self._hearing = threading.Thread(target=self._hear, name="recorder", daemon=True)
        self._hearing.start()
        self._say({"file": str(self.file), "force": force, "about": dict(about)})

    def add(self, role: str, uid: str, goes_on: Callable[[], bool]) -> None:
        """Record this stream; back when the recorder hears it, or has failed.

        Parameters
        ----------
        role : str
            See ``rtdecode.record.roles``.
        uid : str
            LSL's id of the outlet.
        goes_on : callable
            Asked now and then while we wait; False ends the wait.
        """
        self._say({"stream": {"role": role, "uid": uid}})
        until = time.monotonic() + START_S
        while not self.trouble and time.monotonic() < until and goes_on():
            try:
                said = self._opened.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if missing := said.get("missing"):  # else the thread may have heard of a trouble
                self.trouble = str(missing)
            if said["opened"] == uid:
                return
        if not self.trouble and time.monotonic() >= until:
            self.trouble = f"the recorder did not open the stream of {role} within {START_S:g} s"

    def news(self) -> str:
        """What has gone wrong since the last look; empty if nothing."""
        if self.trouble == self._told:
            return ""
        self._told = self.trouble
        return f"not recording: {self.trouble}"

    def told(self) -> dict[str, object]:
        """What the health message says of the record."""
        return {"file": str(self.file), "state": self.state, "message": self.trouble}

    def finish(self, on_share: OnShare = lambda share: None) -> str:
        """End the record and wait until its file is whole; what is to be said of it.

        Parameters
        ----------
        on_share : callable
            Told now and then, from another thread, how much of the file is written, 0 to 1.
        """
        self._on_share = on_share
        self._finishing = True
        self._end({"end": True})
        return self.trouble or f"recorded {self.file}"

    def drop(self) -> None:
        """End the record of what became no run: nothing is left of it."""
        self._end({"drop": True})

    def _end(self, order: Mapping[str, object]) -> None:
        """Have the recorder end, and close what led to it and back."""
        self._say(order)
        self._process.wait()
        self._hearing.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # it holds words that a dead recorder never took
                pipe.close()

    def _say(self, order: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._gone()

    def _hear(self) -> None:
        """What the recorder says, in a thread; its silence is its end."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._take(json.loads(line))
        if self.state != "written":
            self._gone()

    def _take(self, said: dict[str, Any]) -> None:
        if "opened" in said:
            self._opened.put(said)
        elif "share" in said:
            self._on_share(said["share"])
        elif "failed" in said:
            self.state, self.trouble = "failed", str(said["failed"])
        elif "written" in said:
            self.state = "written"
            if not self._finishing:
                self.trouble = f"the recorder was ended; what came before is in {self.file}"
        else:
            self.state = "recording"

    def _gone(self) -> None:
        if self.state != "failed":
            folder = journal_of(self.file)
            self.state = "failed"
            self.trouble = (
                f"the recorder has died; what it wrote lies in {folder}: "
                f"when the run is over, rtdecode recover {folder}"
            )


def check_record(file: Path, force: bool) -> None:
    """Refuse what could not become a record, before any work is done.

    Raises
    ------
    UserError
        If the file or a journal is there, a journal is being written, or pynwb is
        not installed.
    """
    check_writable(file, force, ".nwb")
    folder = journal_of(file)
    if folder.exists() and not force:
        raise UserError(
            f"{folder} is there, the journal of a run that was not finished: finish it with "
            f"rtdecode recover {folder}, or --force to drop it"
        )
    if folder.exists():
        check_at_rest(folder)
    if find_spec("pynwb") is None:
        raise UserError("a record is an NWB file, which needs pynwb: pip install 'rtdecode[nwb]'")
