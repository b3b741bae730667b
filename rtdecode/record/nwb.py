"""A journal as one NWB file: a session like any other, and beside it all that was heard and said.

Times are from the record's zero, a whole second of the LSL clock shortly before
the run: seconds, and whole microseconds in the table of spike rows. What the
run was (settings, bundle, versions) stands as JSON in the file's notes.

A long run fits in no memory. So pynwb writes the file with its long tables
empty, and they are filled a stretch at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from rtdecode.errors import UserError
from rtdecode.files import written_whole
from rtdecode.microseconds import INVALID_US, US_PER_S
from rtdecode.record.by_unit import SpikesByUnit, sort_by_unit
from rtdecode.record.disk import DiskFile
from rtdecode.record.fill import Filling, lengthened
from rtdecode.record.frame import PLACE, POSTERIORS, ROWS, TEXTS, frame_of, heard_in, texts_of
from rtdecode.record.journal import JournalReader, StreamSaid, Text
from rtdecode.record.roles import POSTERIOR
from rtdecode.record.rows import COLUMNS, Columns, RowStream
from rtdecode.record.share import OnShare, Share

FEW = 256  # texts at a time: some are long
WRITTEN = 12  # of the journal's bytes, a row: about as the time goes


def write_record(journal: JournalReader, file: Path, on_share: OnShare = lambda share: None) -> int:
    """Write a journal as an NWB file, whole or not at all; how many spike rows it has.

    Parameters
    ----------
    journal : JournalReader
    file : Path
        Beside it lies meanwhile a file of 8 bytes a spike.
    on_share : callable
        Told now and then how much is done, 0 to 1; what it raises ends the work.

    Raises
    ------
    UserError
        If it has not one spike row.
    OSError
        If the disk does not take it.
    """
    streams = [RowStream(journal, said) for said in heard_in(journal)]
    n = sum(len(stream) for stream in streams)
    if not n:
        raise UserError(f"nothing to make a record of: {journal.folder} holds no spike row")
    share = Share(journal.n_bytes(), on_share)
    with tempfile.TemporaryFile(dir=file.parent) as beside, written_whole(file) as half:
        spikes = sort_by_unit(streams, beside, share)
        with DiskFile(half) as disk:
            _write(disk, journal, streams, spikes, file.stem, share)
            disk.sync()
    return n


def _write(
    disk: DiskFile,
    journal: JournalReader,
    streams: Sequence[RowStream],
    spikes: SpikesByUnit,
    name: str,
    share: Share,
) -> None:
    from pynwb import NWBHDF5IO

    nwb = frame_of(journal, spikes.units, name)
    with (
        h5py.File(disk, "w") as file,
        NWBHDF5IO(file.filename, mode="w", file=file) as target,
    ):
        target.write(nwb)
        filling = Filling(file, disk)
        _fill_units(filling, spikes)
        for number, stream in enumerate(streams):
            _fill_rows(filling, f"{PLACE}/{ROWS}_{number}", stream, share)
        for said in journal.streams(POSTERIOR)[:1]:
            _fill_posteriors(filling, journal, said, share)
        for role in TEXTS:
            _fill_texts(filling, journal, role, share)


def _fill_units(filling: Filling, spikes: SpikesByUnit) -> None:
    n = len(spikes)
    if not n:
        return
    stretches = ({"spike_times": times_us / US_PER_S} for times_us in spikes.stretches())
    filling.fill("units", n, stretches)
    units = filling.file["units"]
    ends = lengthened(units, "spike_times_index", len(spikes.units), np.min_scalar_type(n))
    ends[:] = spikes.offsets[1:]
    ends.attrs["target"] = units["spike_times"].ref


def _fill_rows(filling: Filling, place: str, stream: RowStream, share: Share) -> None:
    def stretches() -> Iterator[Columns]:
        first = 0
        for rows in stream.stretches():
            n = len(rows["time_us"])
            yield {"id": np.arange(first, first + n)} | rows
            first += n
            share.add(WRITTEN * n)

    filling.fill(place, len(stream), stretches(), tuple(COLUMNS))
    if len(stream):
        # Of a table without rows pynwb names no column.
        filling.file[place].attrs["colnames"] = list(COLUMNS)


def _fill_posteriors(
    filling: Filling, journal: JournalReader, said: StreamSaid, share: Share
) -> None:
    zero_us, classes = journal.about.zero_us, len(said.classes)

    def stretches() -> Iterator[Columns]:
        for found in journal.posteriors(said.key, classes):
            yield {"data": found["p"], "timestamps": (found["time_us"] - zero_us) / US_PER_S}
            share.add(found.nbytes)

    n = journal.n_posteriors(said.key, classes)
    filling.fill(f"{PLACE}/{POSTERIORS}", n, stretches(), ("data",))


def _fill_texts(filling: Filling, journal: JournalReader, role: str, share: Share) -> None:
    def stretches() -> Iterator[Columns]:
        texts = texts_of(journal, role)
        while few := list(islice(texts, FEW)):
            yield _text_columns(few, journal.about.zero_us)
            share.add(sum(len(text.text) for text in few))

    n = sum(1 for _ in texts_of(journal, role))
    filling.fill(f"{PLACE}/{TEXTS[role]}", n, stretches())


def _text_columns(texts: Sequence[Text], zero_us: int) -> Columns:
    times_us = np.array([text.time_us for text in texts], np.int64)
    known = times_us != INVALID_US
    # Not as NumPy's text: there one long message makes each of them as long.
    said = np.array([text.text.replace("\0", "") for text in texts], object)
    seconds = np.where(known, (times_us - zero_us) / US_PER_S, np.nan)
    return {"data": said, "timestamps": seconds}
