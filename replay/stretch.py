"""What the demo plays: a task the session can show and a stretch of it that was kept out."""

from __future__ import annotations

import numpy as np

from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session.model import Presentations, Session
from rtdecode.tasks import NAMED_TASKS, Task, label_text, resolve_task
from rtdecode.windows import WindowSpec

PREFERRED = ("static-gratings-orientation", "drifting-gratings-direction", "natural-scenes")
LONGEST_WINDOW_US = 250 * US_PER_MS
FEWEST_TRIALS, MOST_CLASSES = 5, 200
LEAD_IN_US = US_PER_S // 2
TAIL_US = US_PER_S


def choose_task(session: Session) -> str:
    """A task that the session can be decoded for.

    A named one where the session has its table; else the first column of any
    table with two or more labels, each shown at least five times.

    Raises
    ------
    UserError
        If no column of any table will do.
    """
    for name in PREFERRED:
        if set(NAMED_TASKS[name]) <= set(session.presentations):
            return name
    for table in session.presentations.values():
        for column in table.columns:
            if column != "stimulus_block" and _decodable(table, column):
                return f"{table.name}.{column}"
    raise UserError(
        f"expected a stimulus column with 2 to {MOST_CLASSES} labels, each shown at least "
        f"{FEWEST_TRIALS} times; {session.name} has none: see `rtdecode inspect`, then name one "
        "with --task TABLE.COLUMN"
    )


def _decodable(table: Presentations, column: str) -> bool:
    texts = [label_text(value) for value in table.columns[column].tolist()]
    shown = np.unique([text for text in texts if text], return_counts=True)[1]
    return 2 <= len(shown) <= MOST_CLASSES and bool(shown.min() >= FEWEST_TRIALS)


def choose_window(session: Session, task: Task) -> WindowSpec:
    """From onset for as long as a presentation lasts, 250 ms at most, in ten bins."""
    tables = [session.presentations[name] for name in np.unique(task.tables)]
    lasts_us = min(int(np.median(table.stop_us - table.start_us)) for table in tables)
    duration_us = min(LONGEST_WINDOW_US, max(lasts_us, 10 * US_PER_MS))
    bin_us = duration_us // 10 // US_PER_MS * US_PER_MS or US_PER_MS
    return WindowSpec(0, duration_us // bin_us * bin_us, bin_us)


def choose_stretch(task: Task, after_us: int, longest_us: int) -> tuple[int, int]:
    """Start and stop of the stretch after training that has the most presentations.

    Parameters
    ----------
    task : Task
    after_us : int
        Onset of the last training trial.
    longest_us : int

    Returns
    -------
    start_us, stop_us : int
        Session time; the first and last onset with a little before and after.

    Raises
    ------
    UserError
        If no presentation was kept out.
    """
    onsets = task.onsets_us[task.onsets_us > after_us]
    if not len(onsets):
        raise UserError("no presentation was kept out of training: lower --train-share")
    ends = np.searchsorted(onsets, onsets + longest_us)
    first = int(np.argmax(ends - np.arange(len(onsets))))
    last = int(ends[first]) - 1
    return int(onsets[first]) - LEAD_IN_US, int(onsets[last]) + TAIL_US


def resolve(session: Session, task_name: str | None) -> Task:
    """The task asked for, or one that the session can show."""
    return resolve_task(session, task_name or choose_task(session))
