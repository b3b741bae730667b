"""A session's summary as tables on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session.model import Int64Array
from rtdecode.session.summary import AreaSummary, Summary

# More stretches than these are counted and not told one by one.
MOST_STRETCHES = 8


def show(summary: Summary, console: Console) -> None:
    """Print a summary."""
    session = summary.session
    simulated = " · [bold]simulated data[/]" if session.simulated else ""
    console.print(
        f"[bold]{escape(session.name)}[/] · {clock(summary.duration_s)} · "
        f"{int(summary.spikes.sum()):,} spikes of {len(summary.kept)} units{simulated}"
    )
    console.print(f"[dim]Quality filter: {summary.filtered}[/]")
    console.print(_area_table(summary))
    console.print(_stimulus_table(summary))
    for line in remarks(summary):
        console.print(line)


def _area_table(summary: Summary) -> Table:
    table = Table(title="Units", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("area")
    for name in ("units", "after the filter", "rate, Hz (quartiles)"):
        table.add_column(name, justify="right")
    for area in summary.areas:
        table.add_row(escape(area.area), str(area.units), str(area.kept), rates(area))
    whole = AreaSummary(
        "all", len(summary.kept), int(summary.kept.sum()), summary.rates_hz[summary.kept]
    )
    table.add_section()
    table.add_row(whole.area, str(whole.units), str(whole.kept), rates(whole))
    return table


def rates(area: AreaSummary) -> str:
    """Write the quartiles of an area's rates: ``2.1  4.0  9.3``."""
    quartiles = area.rate_quartiles()
    return "" if quartiles is None else "  ".join(f"{rate:.1f}" for rate in quartiles)


def _stimulus_table(summary: Summary) -> Table:
    table = Table(title="Stimuli", title_justify="left", box=SIMPLE_HEAD)
    # The names that tasks are made of are shown whole.
    longest = max([len("table"), *(len(stimulus.name) for stimulus in summary.stimuli)])
    table.add_column("table", min_width=longest)
    for name in ("shown", "each, ms", "every", "blocks"):
        table.add_column(name, justify="right")
    table.add_column("from - to", overflow="fold")
    for stimulus in summary.stimuli:
        table.add_row(
            escape(stimulus.name),
            f"{stimulus.presentations:,}",
            f"{stimulus.duration_us / US_PER_MS:.0f}",
            f"{stimulus.interval_us / US_PER_MS:.0f}",
            str(len(stimulus.blocks_us)),
            stretches(stimulus.blocks_us),
        )
    return table


def stretches(spans_us: Int64Array) -> str:
    """Write the first stretches of time: ``0:05–8:05, 9:10–17:10``."""
    told = [
        f"{clock(start / US_PER_S)}–{clock(stop / US_PER_S)}"
        for start, stop in spans_us[:MOST_STRETCHES].tolist()
    ]
    more = len(spans_us) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def clock(seconds: float) -> str:
    """Write seconds as hours, minutes, seconds: ``2:32:32``, ``8:05``."""
    sign, whole = "-" * (seconds < 0), round(abs(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{sign}{hours}:{minutes:02d}:{whole % 60:02d}"
    return f"{sign}{minutes}:{whole % 60:02d}"


def remarks(summary: Summary) -> list[str]:
    """Tell what is amiss, or may be: gaps, invalid times, no presentations."""
    session = summary.session
    said = []
    if not summary.stimuli:
        said.append("No stimulus table: give one with --events.")
    if len(summary.pauses_us):
        said.append(f"Nothing presented for 10 s or more: {stretches(summary.pauses_us)}")
    if len(summary.silences_us):
        said.append(f"No spike for 1 s or more: {stretches(summary.silences_us)}")
    if len(session.invalid_us):
        said.append(f"Called invalid: {stretches(session.invalid_us)}")
    if session.invalid_presentations:
        said.append(
            f"Presentations left out, in invalid times or without onset: "
            f"{session.invalid_presentations}"
        )
    return said
