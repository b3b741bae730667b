"""The decoder's end of the control channel: threads that listen, and a loop that takes."""

from __future__ import annotations

import json
import queue
import secrets
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from rtdecode import control
from rtdecode.errors import UserError

ANSWER_S = 30.0  # how long a request waits for the loop
SILENCE_S = 2.0  # how long a caller may take to say what it wants
MOST_CALLERS = 16


@dataclass(eq=False)
class Request:
    """What somebody asked for; to be answered by whoever takes it.

    Attributes
    ----------
    command : str
    arguments : mapping
    prepared : object
        What was made ready for it before the loop took it.
    """

    command: str
    arguments: Mapping[str, object]
    prepared: object = None
    _answer: dict[str, object] = field(default_factory=dict)
    _answered: threading.Event = field(default_factory=threading.Event)

    def answer(self, **said: object) -> None:
        """Answer; ``error`` refuses, in a sentence."""
        self._answer = said
        self._answered.set()

    def wait(self, timeout_s: float) -> dict[str, object]:
        """The answer, or an error where none comes in time."""
        if not self._answered.wait(timeout_s):
            return {"error": f"the decoder did not take {self.command!r} in {timeout_s:g} s"}
        return self._answer


class ControlServer:
    """Takes requests of this user's processes.

    The threads only listen and queue: whatever a request changes is changed by
    the loop that takes it, between two windows. Only ``at_once`` runs in the
    thread: what takes long is made ready there, and disarming does not wait for
    a loop that is stuck.

    Parameters
    ----------
    name : str
        What the decoder is called.
    at_once : callable
        Given a request as it comes. It may answer it, raise a ``UserError`` to
        refuse it, and must change nothing of the loop's but a flag.

    Raises
    ------
    UserError
        If a decoder of that name runs already.
    """

    def __init__(self, name: str, at_once: Callable[[Request], None]) -> None:
        self.name = name
        self.refused = 0
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._secret = secrets.token_bytes(32)
        self._at_once = at_once
        self._callers = threading.BoundedSemaphore(MOST_CALLERS)
        self._server = _Server((control.HOST, 0), _Caller)
        self._server.converse = self._converse
        self._path: Path | None = None
        try:
            self._path = control.write_door(name, self._server.server_address[1], self._secret)
        except BaseException:
            self._server.server_close()
            raise
        serve, pause_s = self._server.serve_forever, 0.2
        threading.Thread(target=serve, args=(pause_s,), name="control", daemon=True).start()

    def take(self) -> Request | None:
        """The next request, if there is one."""
        try:
            return self._requests.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Listen no more; who still waits is told."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()
        while (request := self.take()) is not None:
            request.answer(error="the decoder has stopped")

    def _converse(self, lines: BinaryIO, write: Callable[[bytes], object]) -> None:
        """One conversation; at most so many at once, the rest are hung up on."""
        if not self._callers.acquire(blocking=False):
            return
        try:
            nonce = secrets.token_hex(32)
            write(_line({"rtdecode": "control", "version": control.VERSION, "nonce": nonce}))
            said = control.opened(self._secret, control.CLIENT, nonce, control.read_json(lines))
            if said is None:
                self.refused += 1
                write(_line({"error": "not the user who started this decoder"}))
                return
            answer = self._ask(said)
            write(control.sealed(self._secret, control.SERVER, str(said.get("nonce")), answer))
        finally:
            self._callers.release()

    def _ask(self, said: Mapping[str, object]) -> dict[str, object]:
        arguments = said.get("arguments")
        request = Request(
            str(said.get("command")), arguments if isinstance(arguments, dict) else {}
        )
        try:
            self._at_once(request)
        except UserError as error:
            return {"error": str(error)}
        self._requests.put(request)
        return request.wait(ANSWER_S)


def _line(values: Mapping[str, object]) -> bytes:
    return json.dumps(values).encode() + b"\n"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    converse: Callable[[BinaryIO, Callable[[bytes], object]], None]

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hung up or said nothing is no event of ours; all else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Caller(socketserver.StreamRequestHandler):
    timeout = SILENCE_S

    def handle(self) -> None:
        cast(_Server, self.server).converse(cast(BinaryIO, self.rfile), self.wfile.write)
