"""What an onset showed: from the order of trials, or from the markers that name it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS
from rtdecode.streams import TextInlet

UNLABELLED = "unlabelled"
NEAR_US = 500 * US_PER_MS
LONGEST_ORDER = 1 << 24


class OnsetLabels(Protocol):
    """Gives each onset its label."""

    def label_of(self, onset_us: int, now_us: int) -> str | None:
        """Text of an onset's marker; None for not known yet: ask again."""


class NoLabels:
    """Onsets alone: decoded, not scored."""

    def label_of(self, onset_us: int, now_us: int) -> str | None:
        """See ``OnsetLabels.label_of``."""
        return UNLABELLED


class TrialOrder:
    """The n-th onset has the n-th label.

    Parameters
    ----------
    labels : iterable of str
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels = iter(list(labels))

    @classmethod
    def read(cls, path: Path) -> TrialOrder:
        """From a file with a label a line; a line is sent as it stands, JSON too.

        Raises
        ------
        UserError
            If it cannot be read or has no label.
        """
        try:
            if path.stat().st_size > LONGEST_ORDER:
                raise ValueError(f"more than {LONGEST_ORDER:,} bytes")
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise UserError(
                f"expected labels, one a line, in {path}, found {error}: name another file"
            ) from error
        labels = [line for line in lines if line]
        if not labels:
            raise UserError(f"expected labels, one a line, in {path}, found none: fill it")
        return cls(labels)

    def label_of(self, onset_us: int, now_us: int) -> str | None:
        """See ``OnsetLabels.label_of``."""
        return next(self._labels, UNLABELLED)


class MarkerLabels:
    """The marker nearest to the onset names it, within half a second; each once.

    Parameters
    ----------
    inlet : TextInlet
        What the stimulus computer says.
    """

    def __init__(self, inlet: TextInlet) -> None:
        self._inlet = inlet
        self._said: deque[tuple[str, int]] = deque(maxlen=1000)

    def label_of(self, onset_us: int, now_us: int) -> str | None:
        """See ``OnsetLabels.label_of``."""
        self._said.extend(self._inlet.pull())
        near = [said for said in self._said if abs(said[1] - onset_us) <= NEAR_US]
        if not near:
            return UNLABELLED if now_us > onset_us + NEAR_US else None
        text, time_us = min(near, key=lambda said: abs(said[1] - onset_us))
        self._said.remove((text, time_us))
        return text
