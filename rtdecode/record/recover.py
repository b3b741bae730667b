"""The record of a run whose recorder was killed, or had no room, before it was whole."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.record.journal import SUFFIX, JournalReader, check_at_rest, remove
from rtdecode.record.nwb import write_record


def recover_record(folder: Path, force: bool = False) -> Path:
    """Make the record of a journal, then take the journal away; the record's file.

    Raises
    ------
    UserError
        If it is no journal, its record is there already, or there is no room.
    """
    journal = JournalReader(folder)
    check_at_rest(folder)
    file = folder.with_name(folder.name.removesuffix(SUFFIX))
    if file == folder:
        raise UserError(f"expected a journal named RUN.nwb{SUFFIX}, found {folder}: rename it")
    check_writable(file, force)
    try:
        with Console(stderr=True).status(f"writing {file}"):
            write_record(journal, file)
    except OSError as error:
        raise UserError(f"{file} could not be written ({error}): make room, try again") from error
    remove(folder)
    return file
