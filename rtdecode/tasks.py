"""What is decoded: which presentations count and what each one's label is.

The rule that gives a presentation its label is data, not code: it goes into
the bundle, so that a row of a file and a marker on the wire get the same text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rtdecode.errors import UserError
from rtdecode.session.model import Presentations, Session

BLOCK_COLUMN = "stimulus_block"
NO_VALUE = ("", "null", "nan")


def label_text(value: object) -> str:
    """A value as a label: numbers as ``%g``, nothing for NaN, ``None``, ``''`` or ``'null'``."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, float, np.integer, np.floating)):
        try:
            number = float(value)
        except OverflowError:  # an integer beyond every float is a text like any other
            return str(value)
        # Adding zero makes one text of 0.0 and -0.0.
        return "" if math.isnan(number) else f"{number + 0.0:g}"
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in NO_VALUE else text


class TableRule(BaseModel):
    """How the rows of one stimulus table get their label.

    Attributes
    ----------
    columns : tuple of str
        Columns that must hold a value; joined by ``/`` they are the label.
    label : str
        If given, the label of every row that counts.
    leave_out : dict of str to str
        Rows whose column has this text are left out (``{"frame": "-1"}``: blanks).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...] = ()
    label: str = ""
    leave_out: dict[str, str] = {}

    def label_of(self, values: Mapping[str, object]) -> str | None:
        """The label of a row or marker with these values; ``None`` where it has none."""
        stimulus = self.stimulus_of(values)
        return None if stimulus is None else self.label or stimulus

    def stimulus_of(self, values: Mapping[str, object]) -> str | None:
        """Which stimulus it was, finer than the label where one label stands for the table."""
        texts = [label_text(values.get(column)) for column in self.columns]
        left_out = any(label_text(values.get(c)) == text for c, text in self.leave_out.items())
        return None if left_out or not all(texts) else "/".join(texts)


class LabelRule(BaseModel):
    """A task's name and the rule of each stimulus table that belongs to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    tables: dict[str, TableRule]

    def label_of(self, stimulus_name: str, values: Mapping[str, object]) -> str | None:
        """The label of a presentation, or ``None`` if it is not of this task.

        Parameters
        ----------
        stimulus_name : str
            Table name, ``drifting_gratings``; a trailing ``_presentations`` is dropped.
        values : mapping of str to object
            A row's columns or a marker's fields.
        """
        rule = self.tables.get(stimulus_name.removesuffix("_presentations"))
        return None if rule is None else rule.label_of(values)


@dataclass(frozen=True, eq=False)
class Task:
    """The labelled presentations of one session, in order of onset.

    Attributes
    ----------
    name : str
    rule : LabelRule
    onsets_us : (n,) int64
    labels : (n,) str
    blocks : (n,) int64
        ``stimulus_block``, 0 in a table without one.
    tables : (n,) str
        Name of the table each presentation comes from.
    stimuli : (n,) str
        Which stimulus of the table it was; the label itself where that is the task.
    """

    name: str
    rule: LabelRule
    onsets_us: NDArray[np.int64]
    labels: NDArray[np.str_]
    blocks: NDArray[np.int64]
    tables: NDArray[np.str_]
    stimuli: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.onsets_us)

    @property
    def classes(self) -> tuple[str, ...]:
        """Distinct labels: numbers in order of size, then words."""
        return sort_labels(self.labels)

    def codes(self, classes: tuple[str, ...] | None = None) -> NDArray[np.int64]:
        """Index of each label in ``classes`` (n,) int64; -1 where it is not among them."""
        index = {label: i for i, label in enumerate(classes or self.classes)}
        return np.array([index.get(label, -1) for label in self.labels.tolist()], np.int64)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Task:
        """The presentations of these rows."""
        return Task(
            self.name,
            self.rule,
            self.onsets_us[rows],
            self.labels[rows],
            self.blocks[rows],
            self.tables[rows],
            self.stimuli[rows],
        )

    def conditions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of each presentation's stimulus (n,), and class of each stimulus (stimuli,)."""
        names = np.char.add(np.char.add(self.tables, ":"), self.stimuli)
        _, first, numbers = np.unique(names, return_index=True, return_inverse=True)
        return numbers.astype(np.int64), self.codes()[first]


def sort_labels(labels: NDArray[np.str_]) -> tuple[str, ...]:
    """Distinct labels: numbers (also joined by ``/``) in order of size, then words."""

    def key(label: str) -> tuple[bool, tuple[float, ...], str]:
        try:
            return False, tuple(float(part) for part in label.split("/")), label
        except ValueError:
            return True, (), label

    return tuple(sorted(set(labels.tolist()), key=key))


# Blanks are left out where types are compared: they are the drift control.
SCENE = TableRule(columns=("frame",), label="natural_scenes", leave_out={"frame": "-1"})
STATIC = TableRule(columns=("orientation", "spatial_frequency"), label="static_gratings")
DRIFTING = TableRule(columns=("orientation", "temporal_frequency"), label="drifting_gratings")

NAMED_TASKS: dict[str, dict[str, TableRule]] = {
    "natural-scenes": {"natural_scenes": TableRule(columns=("frame",))},
    "natural-vs-artificial": {
        "natural_scenes": SCENE.model_copy(update={"label": "natural"}),
        "static_gratings": STATIC.model_copy(update={"label": "artificial"}),
    },
    "stimulus-type": {
        "natural_scenes": SCENE,
        "static_gratings": STATIC,
        "drifting_gratings": DRIFTING,
    },
    "static-gratings": {"static_gratings": TableRule(columns=("orientation", "spatial_frequency"))},
    "static-gratings-orientation": {"static_gratings": TableRule(columns=("orientation",))},
    "drifting-gratings-direction": {"drifting_gratings": TableRule(columns=("orientation",))},
}


def label_rule(name: str) -> LabelRule:
    """The rule of a named task or of ``TABLE.COLUMN``.

    Raises
    ------
    UserError
        If the name is neither.
    """
    if name in NAMED_TASKS:
        return LabelRule(task=name, tables=NAMED_TASKS[name])
    table, dot, column = name.partition(".")
    if not (table and dot and column):
        known = ", ".join(NAMED_TASKS)
        raise UserError(
            f"a task is TABLE.COLUMN (drifting_gratings.orientation) or one of {known}; "
            f"found {name!r}"
        )
    table = table.removesuffix("_presentations")
    return LabelRule(task=name, tables={table: TableRule(columns=(column,))})


def resolve_task(session: Session, name: str) -> Task:
    """The labelled presentations that a task has in a session.

    Parameters
    ----------
    session : Session
    name : str
        A named task or ``TABLE.COLUMN``.

    Raises
    ------
    UserError
        If the session lacks the table or column, or fewer than two labels are left.
    """
    return apply_rule(session, label_rule(name))


def apply_rule(session: Session, rule: LabelRule) -> Task:
    """The presentations of a session that a rule gives a label; see `resolve_task`."""
    parts = [_label_table(session, rule, table) for table in _tables_of(session, rule)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    task = Task(rule.task, rule, *(column[order] for column in columns))
    if len(task.classes) < 2:
        raise UserError(
            f"task {rule.task} needs at least 2 different labels; session {session.name} has "
            f"{len(task.classes)} in {len(task)} labelled presentations: choose another column"
        )
    return task


def _tables_of(session: Session, rule: LabelRule) -> list[str]:
    """The rule's tables that the session has; a type task needs at least two of its own."""
    present = [table for table in rule.tables if table in session.presentations]
    if len(present) < min(2, len(rule.tables)):
        have = ", ".join(sorted(session.presentations)) or "none"
        raise UserError(
            f"task {rule.task} needs the stimulus table {' and '.join(rule.tables)}; session "
            f"{session.name} has {have}: choose a task of these tables"
        )
    return present


def _label_table(session: Session, rule: LabelRule, table: str) -> tuple[NDArray[Any], ...]:
    """Onsets, labels, blocks, table name and stimuli of one table's labelled rows."""
    rows = session.presentations[table]
    missing = [c for c in rule.tables[table].columns if c not in rows.columns]
    if missing:
        raise UserError(
            f"task {rule.task} needs column {', '.join(missing)} of table {table}; the table "
            f"has {', '.join(sorted(rows.columns)) or 'none'}: choose one of these"
        )
    values = _rows(rows)
    found = [rule.label_of(table, row) for row in values]
    keep = np.array([label is not None for label in found], bool)
    labels = np.array([label for label in found if label is not None], np.str_)
    stimuli = [rule.tables[table].stimulus_of(row) or "" for row in values]
    names = np.full(len(labels), table)
    return rows.start_us[keep], labels, _blocks(rows)[keep], names, np.array(stimuli)[keep]


def _rows(rows: Presentations) -> list[dict[str, object]]:
    """Each row of a table as a dict."""
    columns = {name: values.tolist() for name, values in rows.columns.items()}
    return [{name: values[i] for name, values in columns.items()} for i in range(len(rows))]


def _blocks(rows: Presentations) -> NDArray[np.int64]:
    """Block of each row, (n,) int64; 0 where the table has no numeric block."""
    blocks = rows.columns.get(BLOCK_COLUMN)
    if blocks is None or blocks.dtype.kind not in "fiu":
        return np.zeros(len(rows), np.int64)
    return np.nan_to_num(blocks.astype(np.float64), nan=-1).astype(np.int64)
