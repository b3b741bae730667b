"""Orders to a decoder of this user on this machine; asked in threads, for an answer may be slow."""

from __future__ import annotations

import queue
import socket
import threading
from dataclasses import dataclass

from rtdecode import control
from rtdecode.errors import UserError
from rtdecode.gui.packets import DecoderInfo

#: How often it is looked whether the decoder that is shown takes orders from here, seconds.
LOOK_S = 2.0


@dataclass(frozen=True)
class Answer:
    """What came of an order: done or not, and in words."""

    command: str
    done: bool
    text: str


class Remote:
    """Arms and disarms the decoder that is shown.

    Attributes
    ----------
    obstacle : str
        Why the decoder takes no orders from here; empty where it does.
    """

    def __init__(self) -> None:
        self.obstacle = "looking for the decoder"
        self._decoder: DecoderInfo | None = None
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._news, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reach", daemon=True)

    def start(self) -> None:
        """Begin to look whether the decoder can be reached."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def turn_to(self, decoder: DecoderInfo | None) -> None:
        """Another decoder is shown; an order is for the one that is seen."""
        if decoder is not self._decoder:
            self._decoder = decoder
            self._news.set()

    def order(self, command: str) -> None:
        """Ask the decoder that is shown; `answers` has what it says to that."""
        decoder = self._decoder
        # A thread each: disarming does not wait for an answer that another still waits for.
        asking = threading.Thread(target=self._ask, args=(decoder, command), daemon=True)
        asking.start()

    def answers(self) -> list[Answer]:
        """The answers that have come since the last call; never waits."""
        come = []
        while not self._answers.empty():
            come.append(self._answers.get())
        return come

    def _ask(self, decoder: DecoderInfo | None, command: str) -> None:
        try:
            if obstacle := obstacle_to(decoder):
                raise UserError(obstacle)
            assert decoder is not None
            said = control.send(decoder.control, command)
            self._answers.put(Answer(command, True, str(said.get("mode", ""))))
        except UserError as error:
            self._answers.put(Answer(command, False, str(error)))

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._news.clear()
            self.obstacle = obstacle_to(self._decoder)
            self._news.wait(LOOK_S)


def obstacle_to(decoder: DecoderInfo | None) -> str:
    """Why a decoder takes no orders from this process; empty where it does."""
    if decoder is None:
        return "no decoder is shown"
    if not decoder.control:
        return "this decoder takes no orders"
    if decoder.host != socket.gethostname():
        return f"armed on {decoder.host} alone, where the decoder runs"
    try:
        if decoder.control in control.decoders():
            return ""
    except UserError as error:
        return str(error)
    return "armed by the user alone who started the decoder"
