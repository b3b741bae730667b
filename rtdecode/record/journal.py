"""The journal of a run: a folder of files that only grow, so that a kill spoils nothing written.

Each stream has a file of its own: records of fixed size for spikes and
posteriors, a line of JSON each for text. What a kill cuts off is less than one
record, and is left out when the journal is read. Times are int64 microseconds
of the LSL clock, as everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from rtdecode.errors import UserError
from rtdecode.process_birth import birth_of
from rtdecode.speeds import speed_of

ABOUT, ENDED = "about.json", "ended.json"
SUFFIX = ".journal"
LONGEST_ABOUT = 1 << 26
STRETCH_BYTES = 6 << 20
ROW = np.dtype([("time_us", "<i8"), ("arrival_us", "<i8"), ("unit_id", "<i4"), ("sequence", "<i4")])


@dataclass(frozen=True)
class Text:
    """A line that came over a text stream, when it was stamped and when it came."""

    time_us: int
    arrival_us: int
    text: str


class Writer(BaseModel):
    """The process that writes a journal."""

    pid: int = Field(ge=1, lt=1 << 31)
    born: str = ""


class UnitTable(BaseModel):
    """Units as a spike stream tells of them."""

    ids: list[int] = []
    areas: list[str] = []
    depths_um: list[float | None] = []
    probes: list[str] = []

    @model_validator(mode="after")
    def _is_a_table(self) -> UnitTable:
        if {len(self.areas), len(self.depths_um), len(self.probes)} != {len(self.ids)}:
            raise ValueError("columns of unequal length")
        if any(not 0 <= unit_id < 1 << 31 for unit_id in self.ids):
            raise ValueError("a unit id beyond what a stream carries")
        return self


class StreamSaid(BaseModel):
    """What is known of a stream that was recorded.

    ``key`` names its files, so it may hold nothing that leads elsewhere.
    """

    key: str = Field(pattern=r"^[a-z]{1,20}-[0-9]{1,5}$")
    role: str
    name: str
    host: str = ""
    source_id: str = ""
    classes: list[str] = Field(default=[], max_length=100_000)
    units: UnitTable = UnitTable()
    replay: dict[str, str] = {}

    @property
    def speed(self) -> float:
        """Of a replay; 1 on the wall clock."""
        return speed_of(self.replay)


class About(BaseModel):
    """What a journal says of its run."""

    rtdecode_journal: Literal[1]
    writer: Writer
    zero_us: int = Field(gt=-(1 << 60), lt=1 << 60)
    started_s: float = Field(ge=0, lt=1e11)
    settings: dict[str, Any]
    bundle: dict[str, Any]
    versions: dict[str, str]
    streams: list[StreamSaid]


def journal_of(file: Path) -> Path:
    """Where the journal of a record lies while the run goes on."""
    return file.with_name(file.name + SUFFIX)


def posterior_dtype(classes: int) -> np.dtype[np.void]:
    """A posterior as it stands in the journal."""
    return np.dtype([("time_us", "<i8"), ("arrival_us", "<i8"), ("p", "<f4", (classes,))])


class Journal:
    """Writes a journal.

    Whatever a method has written survives the death of this process; what
    ``sync`` has seen survives that of the machine.

    Parameters
    ----------
    folder : Path
        Made here; must not be there yet.
    about : mapping
        What is known when the run begins; JSON.

    Raises
    ------
    UserError
        If the folder is there: an unfinished record.
    OSError
        From here and from every method, where the disk does not take it.
    """

    def __init__(self, folder: Path, about: Mapping[str, object]) -> None:
        self.folder = folder
        try:
            folder.mkdir()
        except FileExistsError:
            raise UserError(
                f"{folder} is there already, the journal of a record that was not finished: "
                f"finish it with rtdecode recover {folder}, or --force to drop it"
            ) from None
        self._files: dict[str, int] = {}
        writer = {"pid": os.getpid(), "born": birth_of(os.getpid())}
        self._about = {"rtdecode_journal": 1, "writer": writer, **about}
        self._streams: list[Mapping[str, object]] = []
        self._tell_about()

    def add_stream(self, said: Mapping[str, object]) -> None:
        """A stream is heard: its ``key``, ``role``, ``name`` and what it says of itself; JSON."""
        self._streams.append(said)
        self._tell_about()

    def _tell_about(self) -> None:
        _write_whole(self.folder / ABOUT, {**self._about, "streams": self._streams})

    def rows(
        self, key: str, samples: NDArray[np.int32], times_us: NDArray[np.int64], arrival_us: int
    ) -> None:
        """Rows of a spike stream: (n, 2) int32 unit id and sequence, (n,) int64."""
        rows = np.empty(len(samples), ROW)
        rows["time_us"], rows["arrival_us"] = times_us, arrival_us
        rows["unit_id"], rows["sequence"] = samples[:, 0], samples[:, 1]
        self._append(f"{key}.rows", rows.tobytes())

    def posteriors(
        self,
        key: str,
        probabilities: NDArray[np.float32],
        times_us: NDArray[np.int64],
        arrival_us: int,
    ) -> None:
        """Posteriors (n, classes) float32 with their times (n,) int64."""
        records = np.empty(len(probabilities), posterior_dtype(probabilities.shape[1]))
        records["time_us"], records["arrival_us"] = times_us, arrival_us
        records["p"] = probabilities
        self._append(f"{key}.posteriors", records.tobytes())

    def texts(self, key: str, texts: Sequence[tuple[str, int]], arrival_us: int) -> None:
        """Texts with their times."""
        lines = (json.dumps([time_us, arrival_us, text]) for text, time_us in texts)
        self._append(f"{key}.texts", "".join(f"{line}\n" for line in lines).encode())

    def _append(self, name: str, content: bytes) -> None:
        """Write at the end of a file; all of it, or as before."""
        if name not in self._files:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._files[name] = os.open(self.folder / name, flags, 0o644)
        handle = self._files[name]
        size = os.fstat(handle).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(handle, content[written:])
        except OSError:
            os.ftruncate(handle, size)
            raise

    def sync(self) -> None:
        """See to it that what was written outlives the machine."""
        for handle in list(self._files.values()):
            os.fsync(handle)

    def close(self, said: Mapping[str, object]) -> None:
        """End it; what is said of the end stands in a file of its own."""
        for handle in self._files.values():
            os.close(handle)
        self._files.clear()
        _write_whole(self.folder / ENDED, said)


def _write_whole(path: Path, values: Mapping[str, object]) -> None:
    half = path.with_suffix(".part")
    half.write_text(json.dumps(values, indent=1))
    half.replace(path)


class JournalReader:
    """Reads a journal, finished or cut off; changes nothing.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        If it is no journal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_about(folder)
        self.ended = (folder / ENDED).is_file()

    def streams(self, role: str) -> list[StreamSaid]:
        """The streams of a role, in the order in which they were opened."""
        return [stream for stream in self.about.streams if stream.role == role]

    def n_bytes(self) -> int:
        """How large it is."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def n_rows(self, key: str) -> int:
        """How many rows of a spike stream there are."""
        return self._number(f"{key}.rows", ROW)

    def rows(self, key: str) -> Iterator[NDArray[np.void]]:
        """Rows of a spike stream in order of arrival: stretches (n,) of ``ROW``."""
        return self._stretches(f"{key}.rows", ROW)

    def n_posteriors(self, key: str, classes: int) -> int:
        """How many posteriors there are."""
        return self._number(f"{key}.posteriors", posterior_dtype(classes))

    def posteriors(self, key: str, classes: int) -> Iterator[NDArray[np.void]]:
        """Posteriors: stretches (n,) of ``posterior_dtype``."""
        return self._stretches(f"{key}.posteriors", posterior_dtype(classes))

    def _number(self, name: str, dtype: np.dtype[np.void]) -> int:
        path = self.folder / name
        return path.stat().st_size // dtype.itemsize if path.is_file() else 0

    def _stretches(self, name: str, dtype: np.dtype[np.void]) -> Iterator[NDArray[np.void]]:
        """What a file holds in pieces: that of a long run fits in no memory."""
        n, many = self._number(name, dtype), max(1, STRETCH_BYTES // dtype.itemsize)
        for first in range(0, n, many):
            count, offset = min(many, n - first), first * dtype.itemsize
            yield np.fromfile(self.folder / name, dtype, count, offset=offset)

    def texts(self, key: str) -> Iterator[Text]:
        """Texts in order of arrival; a last line that was cut off is left out."""
        path = self.folder / f"{key}.texts"
        if not path.is_file():
            return
        with path.open("rb") as lines:
            yield from _read_texts(lines)


def _read_texts(lines: Iterable[bytes]) -> Iterator[Text]:
    for line in lines:
        try:
            time_us, arrival_us, text = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(time_us, int) and isinstance(arrival_us, int) and isinstance(text, str):
            yield Text(time_us, arrival_us, text)


def read_about(folder: Path) -> About:
    """What a journal says of its run.

    Raises
    ------
    UserError
        If it is no journal.
    """
    path = folder / ABOUT
    try:
        if path.stat().st_size > LONGEST_ABOUT:
            raise ValueError("too long")
        return About.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _no_journal(folder) from error


def _no_journal(folder: Path) -> UserError:
    return UserError(
        f"expected the journal of a record (a folder {SUFFIX} with {ABOUT}) at {folder}, "
        "found none: name the one beside the record's file"
    )


def remove(folder: Path) -> None:
    """Take a journal away, once its record is whole.

    Raises
    ------
    UserError
        If it is no journal, or another process writes it.
    """
    check_at_rest(folder)  # which nothing but a journal passes
    shutil.rmtree(folder)


def check_at_rest(folder: Path) -> None:
    """Refuse a journal that another process is writing.

    Raises
    ------
    UserError
        Also if it is no journal.
    """
    writer = read_about(folder).writer
    try:
        born = birth_of(writer.pid)
    except psutil.Error:
        return
    if writer.pid != os.getpid() and born == writer.born:
        raise UserError(f"{folder} is being written by process {writer.pid}: stop that run first")
