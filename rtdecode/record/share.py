"""How much of a long piece of work is done, and a bar that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

OnShare = Callable[[float], None]
STEP = 1e-3  # a share is told when it is so much more


class Share:
    """Counts the parts of a work that are done.

    Parameters
    ----------
    parts : int
        Of the whole, about.
    tell : callable
        Called now and then with 0 to 1.
    """

    def __init__(self, parts: int, tell: OnShare) -> None:
        self._parts = parts
        self._tell = tell
        self._done = 0
        self._told = 0.0

    def add(self, parts: int) -> None:
        """So many more are done."""
        self._done += parts
        share = min(1.0, self._done / self._parts)
        if share >= self._told + STEP:
            self._told = share
            self._tell(share)


@contextmanager
def share_bar(what: str, console: Console) -> Iterator[OnShare]:
    """A bar while this lasts."""
    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task(what, total=1.0)
        yield lambda share: bars.update(bar, completed=share)
