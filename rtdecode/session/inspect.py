"""``rtdecode inspect`` and ``rtdecode convert``: look at a session, write it as NWB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rtdecode.files import check_writable, written_whole
from rtdecode.session.quality import QualityFilter
from rtdecode.session.read import open_session
from rtdecode.session.show import show
from rtdecode.session.summary import summarize
from rtdecode.session.write import write_session


def run_inspect(
    sources: Sequence[Path],
    quality: QualityFilter,
    *,
    events: Path | None = None,
    figures: Path | None = None,
    report: Path | None = None,
    force: bool = False,
) -> None:
    """Print what a session holds; write it as figures or as a page where asked.

    Parameters
    ----------
    sources : sequence of Path
        NWB files and Phy folders of one session.
    quality : QualityFilter
    events : Path, optional
        CSV table of events.
    figures : Path, optional
        JSON file for the figures.
    report : Path, optional
        Folder for the page.
    force : bool
        Whether these may be written over.

    Raises
    ------
    UserError
        If there is no such session, or a file is there that would be written.
    """
    if figures is not None:
        check_writable(figures, force)
    page = None
    if report is not None:
        from rtdecode.session.report import page_path

        page = page_path(report, force)
    with Console(stderr=True).status("reading the session"):
        session = open_session(sources, events=events, quality=None)
        summary = summarize(session, quality)
    show(summary, Console())
    if figures is not None:
        with written_whole(figures) as half:
            half.write_text(json.dumps(summary.figures(), indent=1) + "\n", encoding="utf-8")
    if page is not None:
        from rtdecode.session.report import write_page

        with Console(stderr=True).status("drawing the page"):
            write_page(summary, quality, page)
        Console().print(f"Page: {page}", soft_wrap=True)


def run_convert(
    sources: Sequence[Path], out: Path, *, events: Path | None = None, force: bool = False
) -> None:
    """Write a session, with every unit, as one NWB file.

    Raises
    ------
    UserError
        If there is no such session, its parts do not fit, or the file exists.
    """
    check_writable(out, force, ".nwb")
    console = Console(stderr=True)
    with console.status("reading the session"):
        session = open_session(sources, events=events, quality=None)
    with console.status(f"writing {out}"):
        write_session(session, out, force=force)
    Console().print(
        f"{out}: {len(session.units)} units, {len(session.spike_times_us):,} spikes, "
        f"{len(session.presentations)} stimulus tables",
        soft_wrap=True,
    )
