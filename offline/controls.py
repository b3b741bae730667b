"""Controls: what a decoder would get from anything but the response.

For identity and orientation it is the first 30 ms, which still show the
presentation before. Types of stimuli come in blocks, so their control is
drift: the same labels, under the same split, from blank trials and from the
grey beside the blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offline.protocol import EARLY_WINDOW, run_folds
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.session.model import Session
from rtdecode.splits import Fold, SplitKind, make_folds
from rtdecode.tasks import Task, label_text
from rtdecode.windows import WindowSpec

# The presentation before a blank has faded by then; the next shows from about 290 ms.
BLANK_WINDOW = WindowSpec(100_000, 150_000, 150_000)
GREY_WINDOW = WindowSpec(0, 250_000, 250_000)
GREY_AFTER_US = 1_000_000
GREY_REACH_US = 15_000_000
CONTROL_MODEL = "lda"


def compares_types(task: Task) -> bool:
    """Whether each block shows one label alone."""
    labels = [np.unique(task.labels[task.blocks == b]) for b in np.unique(task.blocks)]
    return len(labels) > 1 and all(len(found) == 1 for found in labels)


def control_accuracies(
    session: Session,
    task: Task,
    counts: NDArray[np.uint16],
    folds: list[Fold],
    split: SplitKind,
    seed: int,
) -> dict[str, float]:
    """Accuracies of LDA on the controls that fit the task.

    Returns
    -------
    dict of str to float
        ``shuffled`` always; ``early_0_30_ms``, or ``drift_blanks`` and
        ``drift_grey`` where the session has enough of these.
    """
    shuffled = run_folds(task, counts, folds, CONTROL_MODEL, seed=seed, shuffled=True)
    found = {"shuffled": shuffled.accuracy}
    if not compares_types(task):
        early = count_session(session, task.onsets_us, EARLY_WINDOW)
        found["early_0_30_ms"] = run_folds(task, early, folds, CONTROL_MODEL, seed=seed).accuracy
        return found
    drifts = {
        "drift_blanks": (blank_task(session, task), BLANK_WINDOW),
        "drift_grey": (grey_task(session, task), GREY_WINDOW),
    }
    for name, (control, window) in drifts.items():
        accuracy = _drift(session, control, window, split, seed)
        if accuracy is not None:
            found[name] = accuracy
    return found


def _drift(
    session: Session, control: Task, window: WindowSpec, split: SplitKind, seed: int
) -> float | None:
    """Mean over blocks of the accuracy of labels that no response tells; None if too few."""
    try:
        folds = make_folds(control, split, seed=seed)
        counts = count_session(session, control.onsets_us, window)
        outcome = run_folds(control, counts, folds, CONTROL_MODEL, seed=seed)
    except UserError:
        return None  # a session without enough blanks or grey has no such control
    blocks = control.blocks[outcome.rows]
    return float(np.mean([outcome.right[blocks == b].mean() for b in np.unique(blocks)]))


def blank_task(session: Session, task: Task) -> Task:
    """The blank presentations of the task's tables, labelled as the block they stand in."""
    label_of_block = _label_of_block(task)
    onsets, blocks = [], []
    for table in np.unique(task.tables).tolist():
        rows = session.presentations[table]
        rule = task.rule.tables[table]
        values = {name: column.tolist() for name, column in rows.columns.items()}
        for i, onset in enumerate(rows.start_us.tolist()):
            row = {name: column[i] for name, column in values.items()}
            text = label_text(row.get("stimulus_block"))
            block = int(float(text)) if text else -1
            if rule.label_of(row) is None and block in label_of_block:
                onsets.append(onset)
                blocks.append(block)
    return _control_task(task, onsets, blocks)


def grey_task(session: Session, task: Task) -> Task:
    """Windows of the grey before and after each block, labelled as that block."""
    busy = np.sort(np.concatenate([t.start_us for t in session.presentations.values()]))
    ends = np.sort(np.concatenate([t.stop_us for t in session.presentations.values()]))
    onsets, blocks = [], []
    for block in np.unique(task.blocks).tolist():
        mine = task.onsets_us[task.blocks == block]
        before = ends[ends <= mine.min()]
        after = busy[busy > mine.max() + GREY_AFTER_US]
        start = max(before.max() if len(before) else 0, mine.min() - GREY_REACH_US)
        stop = min(after.min() if len(after) else ends.max(), mine.max() + GREY_REACH_US)
        # Grey between two blocks is halved: each half belongs to the block it touches.
        middles = (start + mine.min()) // 2, (mine.max() + stop) // 2
        spans = ((middles[0], mine.min()), (mine.max() + GREY_AFTER_US, middles[1]))
        for low, high in spans:
            found = np.arange(low, high - GREY_WINDOW.duration_us, GREY_WINDOW.duration_us)
            onsets += found.tolist()
            blocks += [block] * len(found)
    return _control_task(task, onsets, blocks)


def _label_of_block(task: Task) -> dict[int, str]:
    return dict(zip(task.blocks.tolist(), task.labels.tolist(), strict=True))


def _control_task(task: Task, onsets: list[int], blocks: list[int]) -> Task:
    """A task of other onsets with the labels of their blocks."""
    label_of_block = _label_of_block(task)
    order = np.argsort(np.array(onsets, np.int64), kind="stable")
    in_blocks = np.array(blocks, np.int64)[order]
    labels = np.array([label_of_block[b] for b in in_blocks.tolist()], np.str_)
    return Task(
        task.name,
        task.rule,
        np.array(onsets, np.int64)[order],
        labels,
        in_blocks,
        np.full(len(labels), "control"),
        labels,
    )
