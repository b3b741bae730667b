"""A journal as one NWB file: a session like any other, and beside it all that was heard and said.

Times are from the record's zero, a whole second of the LSL clock shortly before
the run: seconds, and whole microseconds in the table of spike rows. What the
run was (settings, bundle, versions) stands as JSON in the file's notes.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rtdecode.errors import UserError
from rtdecode.files import written_whole
from rtdecode.microseconds import INVALID_US, US_PER_S
from rtdecode.record.journal import JournalReader, StreamSaid, Text
from rtdecode.record.markers import presentations_of
from rtdecode.record.roles import (
    COUNTS,
    DECISIONS,
    HEALTH,
    POSTERIOR,
    SPIKES,
    STIMULI,
    TRIGGERS,
)
from rtdecode.session.model import Session, Units
from rtdecode.session.spikes import MAX_S
from rtdecode.session.write import nwb_file

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.file import Subject

MODULE = "rtdecode"
ROWS, POSTERIORS = "spike_rows", "posteriors"
SUBJECT = ("id", "species", "sex", "age")
LEVEL = 1  # of gzip: half the size, and several times as fast as the usual 4
MOST_AHEAD_US = 1 * US_PER_S
LATEST_US = round(MAX_S * US_PER_S)
TEXTS = {STIMULI: "markers", DECISIONS: DECISIONS, TRIGGERS: TRIGGERS, HEALTH: HEALTH}


def write_record(journal: JournalReader, file: Path) -> int:
    """Write a journal as an NWB file, whole or not at all; how many spike rows it has.

    Raises
    ------
    UserError
        If it has not one spike row.
    OSError
        If the disk does not take it.
    """
    nwb, n = record_of(journal, file.stem)
    with written_whole(file) as half:
        half.write_bytes(_image(nwb))
    return n


def _image(nwb: NWBFile) -> bytes:
    """The file in memory: HDF5 that finds a disk full on the way takes the process with it."""
    from pynwb import NWBHDF5IO

    name = "record.nwb"  # of no file
    with (
        h5py.File(name, "w", driver="core", backing_store=False) as file,
        NWBHDF5IO(name, mode="w", file=file) as target,
    ):
        target.write(nwb)
        file.flush()
        return bytes(file.id.get_file_image())


def record_of(journal: JournalReader, name: str) -> tuple[NWBFile, int]:
    """A journal as pynwb's object, and how many spike rows it has.

    Raises
    ------
    UserError
        If it has not one.
    """
    from pynwb import ProcessingModule

    zero_us = journal.about.zero_us
    heard = [*journal.streams(SPIKES), *journal.streams(COUNTS)]
    streams = [_Rows(journal, said, zero_us) for said in heard]
    n = sum(len(stream) for stream in streams)
    if not n:
        raise UserError(f"nothing to make a record of: {journal.folder} holds no spike row")
    session = _session(journal, streams, name, zero_us)
    started = datetime.datetime.fromtimestamp(journal.about.started_s, datetime.UTC)
    nwb = nwb_file(session, started)
    nwb.subject = _subject(journal)
    module = ProcessingModule(name=MODULE, description="what rtdecode heard and said")
    nwb.notes = _about(journal, streams)
    nwb.add_processing_module(module)
    for interface in _interfaces(journal, streams, zero_us):
        module.add(interface)
    return nwb, n


def _subject(journal: JournalReader) -> Subject | None:
    """The animal, where the rig's settings tell of one."""
    from pynwb.file import Subject

    said = journal.about.settings.get("subject")
    told = said if isinstance(said, dict) else {}
    texts = {
        name: text.replace("\0", "")
        for name, text in told.items()
        if name in SUBJECT and isinstance(text, str) and text
    }
    if "id" not in texts:
        return None
    return Subject(subject_id=texts.pop("id"), **texts)


class _Rows:
    """The rows of one spike or count stream in the record's time."""

    def __init__(self, journal: JournalReader, said: StreamSaid, zero_us: int) -> None:
        self.said = said
        rows = journal.rows(said.key)
        known = rows["time_us"] != INVALID_US
        self.time_us = np.where(known, rows["time_us"] - zero_us, INVALID_US)
        self.arrival_us = rows["arrival_us"] - zero_us
        self.unit_id = np.array(rows["unit_id"])
        self.sequence = np.array(rows["sequence"])

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def units(self) -> Units | None:
        """The stream's own unit table; None where it has none."""
        table = self.said.units
        if not table.ids:
            return None
        depths = [np.nan if depth is None else depth for depth in table.depths_um]
        return Units(
            np.array(table.ids, np.int64),
            np.array(table.areas, np.str_),
            np.array(depths, np.float64),
            np.array(table.probes, np.str_),
        )

    def spikes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Unit id and time of what was a spike of the run: sound and stamped within it."""
        sound = (self.unit_id >= 0) & (self.time_us >= 0) & (self.time_us <= LATEST_US)
        # At another speed the stamps run ahead of the clock, rightly.
        if self.said.speed == 1.0:
            sound &= self.time_us <= self.arrival_us + MOST_AHEAD_US
        ids, times_us = self.unit_id[sound].astype(np.int64), self.time_us[sound]
        return ids, times_us + (_places(ids, times_us) if self.said.role == COUNTS else 0)


def _places(ids: NDArray[np.int64], times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of a count's spikes each row is, (n,) int64 from 0: it moves by so many us."""
    place = np.arange(len(ids), dtype=np.int64)
    first = np.ones(len(ids), np.bool_)
    first[1:] = (np.diff(ids) != 0) | (np.diff(times_us) != 0)
    begun: NDArray[np.int64] = np.maximum.accumulate(np.where(first, place, 0))
    return place - begun


def _session(journal: JournalReader, streams: list[_Rows], name: str, zero_us: int) -> Session:
    found = [stream.spikes() for stream in streams]
    ids = np.concatenate([ids for ids, _ in found])
    times_us = np.concatenate([times_us for _, times_us in found])
    units = _units(streams, ids)
    times_us, offsets = _by_unit(units, ids, times_us)
    markers = [text for said in journal.streams(STIMULI) for text in journal.texts(said.key)]
    return Session(name, units, times_us, offsets, presentations_of(markers, zero_us))


def _units(streams: list[_Rows], seen: NDArray[np.int64]) -> Units:
    """The units that the streams tell of, then those that merely fired."""
    tables = [table for stream in streams if (table := stream.units) is not None]
    told = np.concatenate([np.empty(0, np.int64), *(table.ids for table in tables)])
    strangers = np.setdiff1d(seen, told)
    tables.append(
        Units(
            strangers,
            np.full(len(strangers), "", np.str_),
            np.full(len(strangers), np.nan),
            np.full(len(strangers), "", np.str_),
        )
    )
    all_of_them = Units.joined(tables)
    _, first = np.unique(all_of_them.ids, return_index=True)
    return all_of_them.take(np.sort(first))


def _by_unit(
    units: Units, ids: NDArray[np.int64], times_us: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Spikes unit after unit in order of time, each once, and where the units begin."""
    order = np.argsort(units.ids)
    rows = order[np.searchsorted(units.ids, ids, sorter=order)]
    order = np.lexsort((times_us, rows))
    rows, times_us = rows[order], times_us[order]
    again = (np.diff(rows) == 0) & (np.diff(times_us) == 0)
    once = np.concatenate([np.ones(min(1, len(rows)), np.bool_), ~again])
    number = np.bincount(rows[once], minlength=len(units))
    return times_us[once], np.concatenate([[0], np.cumsum(number)]).astype(np.int64)


def _interfaces(journal: JournalReader, streams: list[_Rows], zero_us: int) -> Iterator[Any]:
    for number, rows in enumerate(streams):
        columns = {
            "time_us": rows.time_us,
            "arrival_us": rows.arrival_us,
            "unit_id": rows.unit_id,
            "sequence": rows.sequence,
        }
        told = f"every row of stream {rows.said.name} in order of arrival; unit -1: watermark"
        yield _table(f"{ROWS}_{number}", told, columns)
    for said in journal.streams(POSTERIOR)[:1]:
        yield _posteriors(journal, said, zero_us)
    for role, name in TEXTS.items():
        texts = [text for said in journal.streams(role) for text in journal.texts(said.key)]
        yield _annotations(name, texts, zero_us)


def _about(journal: JournalReader, streams: list[_Rows]) -> str:
    """Settings, bundle, versions and streams as JSON."""
    told = journal.about.model_dump(exclude={"streams"})
    keys = {"role", "name", "host", "source_id", "replay"}
    told["spike_streams"] = [stream.said.model_dump(include=keys) for stream in streams]
    return json.dumps(told | {"finished": journal.ended}, indent=1)


def _annotations(name: str, texts: list[Text], zero_us: int) -> Any:
    from pynwb.misc import AnnotationSeries

    times_us = np.array([text.time_us for text in texts], np.int64)
    known = times_us != INVALID_US
    # Not as NumPy's text: there one long message makes each of them as long.
    said = [text.text.replace("\0", "") for text in texts]
    return AnnotationSeries(
        name=name,
        description=f"{name} as they were sent, in order of arrival",
        data=said or np.empty(0, np.str_),
        timestamps=np.where(known, (times_us - zero_us) / US_PER_S, np.nan),
    )


def _posteriors(journal: JournalReader, said: StreamSaid, zero_us: int) -> Any:
    from pynwb import TimeSeries

    classes = said.classes
    records = journal.posteriors(said.key, len(classes))
    return TimeSeries(
        name=POSTERIORS,
        description=f"probability of each class at its window's end; classes: {', '.join(classes)}",
        data=_packed(np.array(records["p"])),
        timestamps=(records["time_us"] - zero_us) / US_PER_S,
        unit="probability",
    )


def _table(name: str, description: str, columns: Mapping[str, NDArray[Any]]) -> Any:
    from hdmf.common import DynamicTable, VectorData

    n = len(next(iter(columns.values())))
    vectors = [
        VectorData(name=column, description=column.replace("_", " "), data=_packed(values))
        for column, values in columns.items()
    ]
    return DynamicTable(name=name, description=description, id=np.arange(n), columns=vectors)


def _packed(values: NDArray[Any]) -> Any:
    """Compressed, where there is anything."""
    from hdmf.backends.hdf5 import H5DataIO

    if not len(values):
        return values
    return H5DataIO(values, compression="gzip", compression_opts=LEVEL, shuffle=True)
