"""A session's summary as one page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from rtdecode import __version__
from rtdecode.files import check_writable, made_folder, written_whole
from rtdecode.microseconds import US_PER_MS
from rtdecode.session import report_plots
from rtdecode.session.quality import QualityFilter
from rtdecode.session.show import clock, rates, remarks, stretches
from rtdecode.session.summary import Summary

PAGE = "index.html"
DPI = 130
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.filter, footer { color: #666; font-size: .88rem; }
p.simulated { background: #fff3cd; padding: .4rem .8rem; border-radius: 4px; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; border-bottom: 1px solid #e4e4e4;
         vertical-align: top; }
th:first-child, td:first-child, .stimuli :is(th, td):last-child { text-align: left; }
img { max-width: 100%; } ul { padding-left: 1.2rem; }
"""


def page_path(folder: Path, force: bool) -> Path:
    """Where the page of this folder goes; the folder is made.

    Raises
    ------
    UserError
        If it has a page already and is not forced, or cannot be made.
    """
    check_writable(made_folder(folder) / PAGE, force)
    return folder / PAGE


def write_page(summary: Summary, quality: QualityFilter, path: Path) -> None:
    """Write the page."""
    with written_whole(path) as half:
        half.write_text(page(summary, quality), encoding="utf-8")


def page(summary: Summary, quality: QualityFilter) -> str:
    """Make the page, HTML with its plots inside."""
    session = summary.session
    title = escape(session.name)
    plots = [
        ("Time line", report_plots.timeline(summary)),
        ("Units and rates", report_plots.units(summary)),
        ("Quality metrics", report_plots.metrics(summary, quality)),
        ("Responses", report_plots.responses(summary)),
    ]
    if session.running is not None and len(session.running.times_us):
        speed = report_plots.running(session.running.times_us, session.running.speed_cm_s)
        plots.append(("Running", speed))
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{clock(summary.duration_s)} · {int(summary.spikes.sum()):,} spikes of "
        f"{len(summary.kept)} units, {int(summary.kept.sum())} after the quality filter</p>",
        '<p class="simulated">These data are simulated.</p>' if session.simulated else "",
        f'<p class="filter">Quality filter: {escape(summary.filtered)}</p>',
        _list(remarks(summary)),
        "<h2>Areas</h2>",
        _areas(summary),
        "<h2>Stimuli</h2>",
        _stimuli(summary),
        *(f"<h2>{name}</h2>\n{_image(figure, name)}" for name, figure in plots if figure),
        f"<footer>rtdecode {__version__}</footer>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _list(lines: list[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _areas(summary: Summary) -> str:
    rows = [(area.area, area.units, area.kept, rates(area)) for area in summary.areas]
    return _table(("area", "units", "after the filter", "rate, Hz (quartiles)"), rows, "areas")


def _stimuli(summary: Summary) -> str:
    rows = [
        (
            stimulus.name,
            f"{stimulus.presentations:,}",
            f"{stimulus.duration_us / US_PER_MS:.0f}",
            f"{stimulus.interval_us / US_PER_MS:.0f}",
            len(stimulus.blocks_us),
            stretches(stimulus.blocks_us),
        )
        for stimulus in summary.stimuli
    ]
    return _table(
        ("table", "presentations", "each, ms", "every, ms", "blocks", "from - to"), rows, "stimuli"
    )


def _table(names: tuple[str, ...], rows: Sequence[tuple[object, ...]], kind: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>\n"
        for row in rows
    )
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'


def _image(figure: Figure, name: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'
