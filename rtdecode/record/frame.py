"""A record's NWB file as pynwb's object, all there but for what is as long as the run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rtdecode.record.journal import JournalReader, StreamSaid, Text, posterior_dtype
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
from rtdecode.record.rows import COLUMNS
from rtdecode.session.model import Session, Units
from rtdecode.session.write import nwb_file

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.file import Subject

MODULE = "rtdecode"
PLACE = f"processing/{MODULE}"
ROWS, POSTERIORS = "spike_rows", "posteriors"
SUBJECT = ("id", "species", "sex", "age")
TEXTS = {STIMULI: "markers", DECISIONS: DECISIONS, TRIGGERS: TRIGGERS, HEALTH: HEALTH}


def heard_in(journal: JournalReader) -> list[StreamSaid]:
    """The streams of spikes, then those of counts, in the order of their tables."""
    return [*journal.streams(SPIKES), *journal.streams(COUNTS)]


def texts_of(journal: JournalReader, role: str) -> Iterator[Text]:
    """The messages of a role, stream after stream."""
    return (text for said in journal.streams(role) for text in journal.texts(said.key))


def frame_of(journal: JournalReader, units: Units, name: str) -> NWBFile:
    """Give a journal as pynwb's object without spikes, rows, posteriors and messages."""
    from pynwb import ProcessingModule

    presentations = presentations_of(texts_of(journal, STIMULI), journal.about.zero_us)
    none = np.empty(0, np.int64)
    session = Session(name, units, none, np.zeros(len(units) + 1, np.int64), presentations)
    started = datetime.datetime.fromtimestamp(journal.about.started_s, datetime.UTC)
    nwb = nwb_file(session, started)
    nwb.subject = _subject(journal)
    nwb.notes = _about(journal)
    module = ProcessingModule(name=MODULE, description="what rtdecode heard and said")
    nwb.add_processing_module(module)
    for interface in _interfaces(journal):
        module.add(interface)
    return nwb


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


def _about(journal: JournalReader) -> str:
    """Settings, bundle, versions and streams as JSON."""
    told = journal.about.model_dump(exclude={"streams"})
    keys = {"role", "name", "host", "source_id", "replay"}
    told["spike_streams"] = [said.model_dump(include=keys) for said in heard_in(journal)]
    return json.dumps(told | {"finished": journal.ended}, indent=1)


def _interfaces(journal: JournalReader) -> Iterator[Any]:
    for number, said in enumerate(heard_in(journal)):
        told = f"every row of stream {said.name} in order of arrival; unit -1: watermark"
        yield _rows(f"{ROWS}_{number}", told)
    for said in journal.streams(POSTERIOR)[:1]:
        yield _posteriors(said)
    for name in TEXTS.values():
        yield _annotations(name)


def _rows(name: str, description: str) -> Any:
    from hdmf.common import DynamicTable, VectorData

    columns = [
        VectorData(name=column, description=column.replace("_", " "), data=np.empty(0, dtype))
        for column, dtype in COLUMNS.items()
    ]
    return DynamicTable(
        name=name, description=description, id=np.empty(0, np.int64), columns=columns
    )


def _posteriors(said: StreamSaid) -> Any:
    from pynwb import TimeSeries

    none, classes = np.empty(0, posterior_dtype(len(said.classes))), ", ".join(said.classes)
    return TimeSeries(
        name=POSTERIORS,
        description=f"probability of each class at its window's end; classes: {classes}",
        data=np.array(none["p"]),
        timestamps=np.empty(0),
        unit="probability",
    )


def _annotations(name: str) -> Any:
    from pynwb.misc import AnnotationSeries

    return AnnotationSeries(
        name=name,
        description=f"{name} as they were sent, in order of arrival",
        data=np.empty(0, np.str_),
        timestamps=np.empty(0),
    )
