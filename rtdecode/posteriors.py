"""What was decoded, window by window: the same file live and offline."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtdecode.decision import Decision
from rtdecode.files import check_writable
from rtdecode.score import Score


class PosteriorLog:
    """Collects decisions, and scores them.

    Parameters
    ----------
    classes : sequence of str
    unit_ids : (units,) int64

    Attributes
    ----------
    keep : bool
        Whether decisions are kept, with their counts, or scored alone.
    score : Score
        Of all decisions, kept or not.
    """

    def __init__(self, classes: Sequence[str], unit_ids: NDArray[np.int64]) -> None:
        self.classes = list(classes)
        self.unit_ids = unit_ids
        self.keep = True
        self.score = Score(classes)
        self.onset_us: list[int] = []
        self.label: list[str] = []
        self.counts: list[NDArray[np.uint16]] = []
        self.probabilities: list[NDArray[np.float32]] = []
        self.complete: list[bool] = []
        self.bins_used: list[int] = []

    def __len__(self) -> int:
        return len(self.onset_us)

    def add(self, decision: Decision) -> None:
        """Score a decision and keep it; its onset in session time where that is known."""
        window = decision.window
        self.score.add(window.label, decision.probabilities)
        if not self.keep:
            return
        session_us = window.session_us
        self.onset_us.append(window.onset_us if session_us is None else session_us)
        self.label.append(window.label)
        self.counts.append(decision.counts.copy())
        self.probabilities.append(decision.probabilities.copy())
        self.complete.append(decision.complete)
        self.bins_used.append(window.bins)

    def shift(self, by_us: int) -> None:
        """Move every onset, as from the stream's time into the session's."""
        self.onset_us = [onset_us + by_us for onset_us in self.onset_us]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The columns as arrays.

        Returns
        -------
        dict
            ``onset_us`` (windows,) int64, ``counts`` (windows, bins, units)
            uint16, ``probabilities`` (windows, classes) float32, ``classes``
            (classes,) str, ``unit_ids`` (units,) int64, ``label`` (windows,)
            str, ``complete`` (windows,) bool, ``bins_used`` (windows,) int64:
            of a decision that fell early the counts of later bins are zero.
        """
        return {
            "onset_us": np.array(self.onset_us, np.int64),
            "counts": np.array(self.counts or np.empty((0, 0, len(self.unit_ids))), np.uint16),
            "probabilities": np.array(
                self.probabilities or np.empty((0, len(self.classes))), np.float32
            ),
            "classes": np.array(self.classes, np.str_),
            "unit_ids": np.array(self.unit_ids, np.int64),
            "label": np.array(self.label, np.str_),
            "complete": np.array(self.complete, np.bool_),
            "bins_used": np.array(self.bins_used, np.int64),
        }

    def save(self, path: Path, force: bool = False) -> None:
        """Write an ``.npz``, whole or not at all.

        Raises
        ------
        UserError
            If the file exists and ``force`` is not given.
        """
        check_writable(path, force)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            draft = Path(folder) / "posteriors.npz"
            np.savez_compressed(draft, **self.arrays())
            draft.replace(path)
