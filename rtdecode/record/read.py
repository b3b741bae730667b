"""A record read back: the rows as they came, and the windows as they were decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from rtdecode.engine import EngineSettings
from rtdecode.errors import UserError
from rtdecode.microseconds import FOREVER_US, INVALID_US, US_PER_S
from rtdecode.record.frame import PLACE, ROWS
from rtdecode.record.roles import COUNTS, DECISIONS
from rtdecode.session.hdf5 import (
    Table,
    open_nwb,
    read_text,
    read_texts,
    read_values,
    reading,
    subgroup,
)
from rtdecode.speeds import speed_of

NOTES = "general/notes"
MINUTE_US = 60 * US_PER_S
WIDEST_US = FOREVER_US // 4


class Treatment(BaseModel):
    """How the engine of the run treated time, within bounds; see ``EngineSettings``."""

    dedup_us: int = Field(ge=0, le=MINUTE_US)
    ahead_us: int = Field(ge=0, le=MINUTE_US)
    retain_us: int = Field(ge=0, le=MINUTE_US)
    capacity: int = Field(ge=1, le=1 << 26)
    early: bool = False
    decide_at: float = Field(default=0.0, ge=0, le=1)

    def settings(self) -> EngineSettings:
        """For an engine that is told when each window closes."""
        return EngineSettings(
            0,
            self.dedup_us,
            self.ahead_us,
            self.retain_us,
            self.capacity,
            early=self.early,
            decide_at=self.decide_at,
        )


class Recorded(BaseModel):
    """A decision as it was sent; times of the LSL clock."""

    window: int
    onset_us: int = Field(gt=-WIDEST_US, lt=WIDEST_US)
    session_us: int | None
    label: str
    top: str
    p: float | None
    closed_by: Literal["watermark", "lateness"]
    complete: bool
    in_window: int
    bins_used: int | None = None
    spikes: dict[str, int]
    rows: dict[str, int] = {}
    taken: dict[str, int] = {}
    missing: list[str] = []
    first_us: dict[str, int] = {}
    bundle: str = ""


class _Stream(NamedTuple):
    """What the notes say of a stream of spikes or counts."""

    name: str
    speed: float
    counts: bool


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one stream of spikes or counts in order of arrival, microseconds of the record.

    Attributes
    ----------
    name : str
        The stream's.
    samples : (n, 2) int32
        Unit id (-1: a watermark) and sequence.
    time_us : (n,) int64
        ``INVALID_US`` where a stamp was no time.
    arrival_us : (n,) int64
        When the recorder took them, to 5 ms.
    speed : float
        Of the replay they came from; 1 on the wall clock.
    counts : bool
        Of a stream of counts: the same row twice is two spikes, and the recorder
        numbered the rows for itself.
    """

    name: str
    samples: NDArray[np.int32]
    time_us: NDArray[np.int64]
    arrival_us: NDArray[np.int64]
    speed: float
    counts: bool = False


@dataclass(frozen=True, eq=False)
class Record:
    """What a run has left.

    Attributes
    ----------
    about : mapping
        ``settings``, ``bundle``, ``versions`` and more, as they were recorded.
    zero_us : int
        The record's zero, LSL clock.
    rows : list of Rows
    decisions : list of Recorded
        In the order in which they were made.
    """

    about: Mapping[str, Any]
    zero_us: int
    rows: list[Rows]
    decisions: list[Recorded]

    @property
    def bundles(self) -> set[str]:
        """The sha256 of every bundle that decided."""
        return {decision.bundle for decision in self.decisions}

    def treatment(self) -> Treatment:
        """How the engine treated time.

        Raises
        ------
        UserError
            If the record does not tell it.
        """
        try:
            return Treatment.model_validate(self.about["settings"]["engine"])
        except (KeyError, TypeError, ValidationError) as error:
            raise UserError(
                "expected the engine's settings in the record, found none that would do: "
                "decode it with another bundle, or get the file again"
            ) from error


def is_record(path: Path) -> bool:
    """Whether an NWB file is the record of a run.

    Raises
    ------
    UserError
        If it is no NWB file.
    """
    with open_nwb(path) as file, reading(path, PLACE):
        return subgroup(file, f"{PLACE}/{DECISIONS}") is not None


def read_record(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    UserError
        If the file is none, or damaged.
    """
    with open_nwb(path) as file:
        about = _about(path, file)
        streams = _streams(about)
        module = _module(path, file)
        with reading(path, PLACE):
            # A name that is no UTF-8 comes as bytes.
            names = [name for name in map(str, module) if name.startswith(f"{ROWS}_")]
        rows = [_rows(_table(path, file, name), streams) for name in sorted(names, key=_number)]
        decisions = list(_decisions(_table(path, file, DECISIONS)))
    zero_us = about.get("zero_us")
    if not isinstance(zero_us, int) or abs(zero_us) > WIDEST_US:
        raise _damaged(path, "its zero")
    return Record(about, zero_us, rows, decisions)


def _module(path: Path, file: h5py.File) -> h5py.Group:
    with reading(path, PLACE):
        found = subgroup(file, PLACE)
    if found is None:
        raise UserError(f"expected the record of a run; {path} is another session: name a record")
    return found


def _table(path: Path, file: h5py.File, name: str) -> Table:
    with reading(path, f"{PLACE}/{name}"):
        group = subgroup(_module(path, file), name)
    if group is None:
        raise _damaged(path, name)
    return Table(path, group)


def _column(table: Table, name: str, kinds: str) -> NDArray[Any]:
    dataset = table.dataset(name)
    with reading(table.path, f"{table.name}/{name}"):
        values = None if dataset is None else read_values(dataset)
    if values is None or values.dtype.kind not in kinds:
        raise _damaged(table.path, f"{table.name}/{name}")
    return values


def _texts(table: Table, name: str) -> list[str]:
    dataset = table.dataset(name)
    with reading(table.path, f"{table.name}/{name}"):
        if dataset is None or dataset.ndim != 1 or h5py.check_string_dtype(dataset.dtype) is None:
            raise _damaged(table.path, f"{table.name}/{name}")
        return list(read_texts(dataset))


def _about(path: Path, file: h5py.File) -> dict[str, Any]:
    with reading(path, NOTES):
        notes = read_text(file, NOTES)
    try:
        about = json.loads(notes)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, NOTES) from error
    if not isinstance(about, dict):
        raise _damaged(path, NOTES)
    return about


def _streams(about: Mapping[str, Any]) -> list[_Stream]:
    """Each stream of spikes or counts, in the order of their tables."""
    try:
        return [
            _Stream(str(said["name"]), speed_of(said["replay"]), said.get("role") == COUNTS)
            for said in about["spike_streams"]
        ]
    except (KeyError, TypeError, AttributeError):
        return []


def _number(name: str) -> int:
    tail = name.rpartition("_")[2]
    return int(tail) if tail.isdecimal() and len(tail) < 6 else 0


def _rows(table: Table, streams: list[_Stream]) -> Rows:
    columns = [_column(table, name, "iu") for name in ("unit_id", "sequence")]
    time_us = _column(table, "time_us", "iu").astype(np.int64)
    arrival_us = _column(table, "arrival_us", "iu").astype(np.int64)
    number = _number(table.name)
    if len({len(column) for column in (*columns, time_us, arrival_us)}) > 1 or number >= len(
        streams
    ):
        raise _damaged(table.path, table.name)
    samples = np.stack([column.astype(np.int32) for column in columns], axis=1)
    said = streams[number]
    return Rows(said.name, samples, time_us, arrival_us, said.speed, said.counts)


def _decisions(table: Table) -> Iterator[Recorded]:
    for text in _texts(table, "data"):
        try:
            yield Recorded.model_validate_json(text)
        except ValidationError as error:
            raise _damaged(table.path, f"a decision ({str(error).splitlines()[0]})") from error


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"expected {what} in the record {path}, found none that reads: get it again")


def sane_times(rows: Rows, ahead_us: int) -> NDArray[np.int64]:
    """Stamps (n,) int64 with those that were beyond the clock when they came as no time."""
    if rows.speed != 1.0:
        return rows.time_us
    return np.where(rows.time_us > rows.arrival_us + ahead_us, INVALID_US, rows.time_us)
