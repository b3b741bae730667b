"""The record of a run whose recorder was killed, or had no room, before it was whole."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from rich.console import Console

from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.record.journal import SUFFIX, JournalReader, check_at_rest, remove
from rtdecode.record.nwb import write_record
from rtdecode.record.share import OnShare, share_bar
from rtdecode.stop_signals import on_stop_signals


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
    stopping = Event()
    console = Console(stderr=True, emoji=False)
    try:
        with on_stop_signals(stopping.set), share_bar(f"writing {file}", console) as show:
            write_record(journal, file, lambda share: _go_on(show, share, stopping))
    except OSError as error:
        raise UserError(f"{file} could not be written ({error}): make room, try again") from error
    remove(folder)
    return file


def _go_on(show: OnShare, share: float, stopping: Event) -> None:
    """Show how far it is; stop here if that was asked for, not within HDF5."""
    show(share)
    if stopping.is_set():
        raise KeyboardInterrupt
