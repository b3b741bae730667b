"""Activity while the screen is grey: what units do by themselves, which no label is needed for.

How units vary together without a stimulus is much like how they vary about
their response to one, and every recording has minutes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.counts import count_session
from rtdecode.session.model import Session
from rtdecode.splits import Fold
from rtdecode.tasks import Task
from rtdecode.windows import WindowSpec

SPONTANEOUS = "spontaneous"
# The response to the last picture has faded by then.
SETTLED_US = 1_000_000
SHORTEST_US = 2_000_000
# Grey this close to kept-out trials is kept out with them.
REACH_US = 15_000_000


@dataclass(frozen=True, eq=False)
class Grey:
    """Windows of grey.

    Attributes
    ----------
    onsets_us : (n,) int64
        In order of time.
    counts : (n, bins, units) uint16
    """

    onsets_us: NDArray[np.int64]
    counts: NDArray[np.uint16]

    def before_or_far_from(self, task: Task, fold: Fold) -> NDArray[np.uint16]:
        """Counts that tell a fold nothing about the stretch of time that it keeps out.

        A random split keeps trials out everywhere, so all grey remains.
        """
        if fold.name.startswith("random") or len(fold.test) == 0:
            return self.counts
        asked = task.onsets_us[fold.test]
        near = (self.onsets_us > asked.min() - REACH_US) & (self.onsets_us < asked.max() + REACH_US)
        if fold.name == "chronological":
            near |= self.onsets_us > asked.min()
        return self.counts[~near]


def grey_windows(session: Session, window: WindowSpec) -> Grey:
    """All windows of grey that lie end to end in a session; none if it has no grey."""
    step = window.duration_us
    onsets = [
        np.arange(start + SETTLED_US, stop - step, step, dtype=np.int64)
        for start, stop in grey_spans(session)
    ]
    found = np.concatenate(onsets) if onsets else np.empty(0, np.int64)
    found = found - window.offset_us
    return Grey(found, count_session(session, found, window))


def grey_spans(session: Session) -> list[tuple[int, int]]:
    """Start and stop of each stretch without a picture, microseconds."""
    if SPONTANEOUS in session.presentations:
        table = session.presentations[SPONTANEOUS]
        spans = list(zip(table.start_us.tolist(), table.stop_us.tolist(), strict=True))
    else:
        spans = _gaps(session)
    return [(start, stop) for start, stop in spans if stop - start >= SHORTEST_US]


def _gaps(session: Session) -> list[tuple[int, int]]:
    """Stretches between presentations."""
    tables = [table for table in session.presentations.values() if len(table)]
    if not tables:
        return []
    starts = np.sort(np.concatenate([table.start_us for table in tables]))
    stops = np.maximum.accumulate(np.sort(np.concatenate([table.stop_us for table in tables])))
    return list(zip(stops[:-1].tolist(), starts[1:].tolist(), strict=True))
