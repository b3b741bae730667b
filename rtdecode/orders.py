"""What is asked of a running decoder over the control channel, done between two windows."""

from __future__ import annotations

from collections.abc import Callable

from rtdecode.control_server import ControlServer, Request
from rtdecode.decoder import Decoder
from rtdecode.errors import UserError
from rtdecode.swap import load_successor
from rtdecode.triggers.firing import COMMANDS, Firing

SWAP, STATUS = "swap", "status"


class Orders:
    """Listens for requests and carries them out when the loop has a moment.

    Parameters
    ----------
    name : str
        What the decoder is called.
    firing : Firing
        Armed and disarmed.
    running : callable
        The decoder that runs.
    swap : callable
        Puts another in its place.
    backend : str
        What a successor is loaded for.

    Raises
    ------
    UserError
        If a decoder of that name runs already.
    """

    def __init__(
        self,
        name: str,
        firing: Firing,
        running: Callable[[], Decoder],
        swap: Callable[[Decoder], None],
        backend: str,
    ) -> None:
        self._firing = firing
        self._running = running
        self._swap = swap
        self._backend = backend
        self._server = ControlServer(name, self._prepare)

    def take(self) -> bool:
        """Do what was asked for since the last look; whether anything was."""
        taken = False
        while (request := self._server.take()) is not None:
            taken = True
            try:
                request.answer(**self._do(request))
            except UserError as error:
                request.answer(error=str(error))
        return taken

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def _prepare(self, request: Request) -> None:
        """What cannot wait for the loop, and what the loop must not wait for; in a thread."""
        if request.command == "disarm":
            self._firing.ask_off(request)
        elif request.command == SWAP:
            path = str(request.arguments.get("bundle", ""))
            request.prepared = load_successor(path, self._running(), self._backend)

    def _do(self, request: Request) -> dict[str, object]:
        if request.command in COMMANDS:
            return self._firing.command(request.command)
        if request.command == STATUS:
            return self._firing.told() | {"bundle": self._running().sha256}
        if isinstance(request.prepared, Decoder):
            self._swap(request.prepared)
            return self._firing.told() | {"bundle": request.prepared.sha256}
        known = ", ".join([*COMMANDS, SWAP, STATUS])
        raise UserError(f"a decoder is asked for {known}; found {request.command!r}")
