"""Python functions that a trigger calls, found by entry point."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points

from rtdecode.errors import UserError
from rtdecode.triggers.errors import OutputError

GROUP = "rtdecode.triggers"
MOST_WAITING = 8  # triggers that a slow function may lag behind
GOOD_BYE_S = 1.0


class Called:
    """A function that is called for every trigger, in a thread of its own.

    However long it takes and whatever it raises, decoding goes on; but then the
    trigger is disarmed.

    Parameters
    ----------
    name : str
    function : callable
        Given the trigger's message, a dict of JSON values.
    """

    def __init__(self, name: str, function: Callable[[dict[str, object]], object]) -> None:
        self.name = name
        self._function = function
        self._trouble = ""
        self._events: queue.Queue[dict[str, object] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name=f"trigger {name}", daemon=True)
        self._thread.start()

    def fire(self, event: Mapping[str, object]) -> None:
        """Let it be called.

        Raises
        ------
        OutputError
            If it has not come back from earlier calls.
        """
        try:
            self._events.put_nowait(dict(event))
        except queue.Full:
            raise OutputError(
                f"{self.name} has not come back from {MOST_WAITING} triggers before"
            ) from None

    def trouble(self) -> str:
        """What it raised since the last look; empty if nothing."""
        if not self._trouble:
            return ""
        told, self._trouble = self._trouble, ""
        return told

    def close(self) -> None:
        """Wait for a moment until it has done what it was told."""
        try:
            self._events.put(None, timeout=GOOD_BYE_S)
        except queue.Full:
            return  # stuck; its thread ends with the process
        self._thread.join(GOOD_BYE_S)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._function(event)
            except Exception as error:  # noqa: BLE001 - a stranger's code; the loop is told
                self._trouble = f"{self.name} raised {type(error).__name__}: {error}"


def load_callables(names: Iterable[str]) -> list[Called]:
    """The functions of these entry points.

    Raises
    ------
    UserError
        If there is none of a name, or it cannot be imported or called.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    outputs = []
    for name in names:
        if name not in found:
            raise UserError(
                f"outputs.callables expects entry points of {GROUP} "
                f"({', '.join(sorted(found)) or 'none is installed'}), found {name!r}: "
                "install the package that has it, or name another"
            )
        outputs.append(Called(name, _load(name, found[name].load)))
    return outputs


def _load(name: str, load: Callable[[], object]) -> Callable[[dict[str, object]], object]:
    try:
        function = load()
    except Exception as error:
        raise UserError(
            f"outputs.callables: entry point {name!r} was expected to be a function, found "
            f"{type(error).__name__} when importing it ({error}): mend its package"
        ) from error
    if not callable(function):
        raise UserError(
            f"outputs.callables: entry point {name!r} was expected to be a function, "
            f"found {type(function).__name__}: mend its package"
        )
    return function
