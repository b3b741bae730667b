"""The tables of docs/performance.md out of the benchmarks' JSON: no figure is typed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rtdecode.errors import UserError

PAGE = Path("docs/performance.md")
Figures = Mapping[str, Any]
Row = Sequence[object]


def latency_rows(figures: Figures) -> Iterator[Row]:
    """Floor and pipeline of every row."""
    yield ("spikes/s", "display", "backend", "n", "floor p50", "p95", "ours p50", "p95", "p99",
           "p99.9", "max", "ratio p50", "p95", "over floor")  # fmt: skip
    for row in figures["rows"]:
        floor, ours = row["floor_ms"], row["pipeline_ms"]
        yield (
            f"{row['spikes_per_s']:,}", "on" if row["display"] else "off", row["backend"], row["n"],
            floor["p50"], floor["p95"], *(ours[p] for p in ("p50", "p95", "p99", "p99.9", "max")),
            row["ratio_p50"], row["ratio_p95"], ours["p50"] - floor["p50"],
        )  # fmt: skip


def stage_rows(figures: Figures) -> Iterator[Row]:
    """Medians and 99th percentiles by stage, of every row."""
    stages = ("wire_in", "bin", "infer", "wire_out", "trigger")
    yield ("spikes/s", "display", "backend", *(f"{s} {p}" for s in stages for p in ("p50", "p99")))
    for row in figures["rows"]:
        # Without a pseudo-terminal there is no trigger to be timed.
        told = [row["stages_ms"].get(s, {}).get(p, "") for s in stages for p in ("p50", "p99")]
        shown = "on" if row["display"] else "off"
        yield (f"{row['spikes_per_s']:,}", shown, row["backend"], *told)


def record_rows(figures: Figures) -> Iterator[Row]:
    """The same load without a record and with one."""
    percentiles = ("p50", "p95", "p99", "max")
    yield ("spikes/s", "recorded", "n", *(f"floor {p}" for p in percentiles),
           *(f"ours {p}" for p in percentiles), "ratio p50", "p95")  # fmt: skip
    for row in figures["rows"]:
        yield (
            f"{row['spikes_per_s']:,}", row["record"], row["n"],
            *(row["floor_ms"][p] for p in percentiles),
            *(row["pipeline_ms"][p] for p in percentiles), row["ratio_p50"], row["ratio_p95"],
        )  # fmt: skip


def columns(*names: str) -> Callable[[Figures], Iterator[Row]]:
    """These values of each of the figures' rows."""

    def rows(figures: Figures) -> Iterator[Row]:
        yield [name.replace("_", " ") for name in names]
        for row in figures["rows"]:
            yield [row.get(name, "") for name in names]

    return rows


def facts(*names: str) -> Callable[[Figures], Iterator[Row]]:
    """These values of the figures themselves, as one row."""

    def rows(figures: Figures) -> Iterator[Row]:
        yield [name.replace("_", " ") for name in names]
        yield [figures[name] for name in names]

    return rows


def soak_rows(figures: Figures) -> Iterator[Row]:
    """First and last stretch, and what changed."""
    percentiles = ("p50", "p95", "p99", "p99.9", "max")
    yield ("stretch", *percentiles)
    for name in ("first", "last"):
        yield (f"{name} sixth", *(figures[f"{name}_ms"][p] for p in percentiles))
    yield ("last to first", figures["ratio_p50"], figures["ratio_p95"], "", "", "")


TABLES: dict[str, tuple[str, Callable[[Figures], Iterator[Row]]]] = {
    "latency": ("latency", latency_rows),
    "latency-one-bin": ("latency-one-bin", latency_rows),
    "latency-realtime": ("latency-realtime", latency_rows),
    "latency-off": ("latency-off", latency_rows),
    "latency-onnx": ("latency-onnx", latency_rows),
    "stages": ("latency", stage_rows),
    "record": ("record", record_rows),
    "kernels": ("kernels", columns("name", "n", "us_per_window", "ratio", "equal")),
    "replay": (
        "replay",
        facts("session_s", "spikes", "windows", "load_s", "decode_s", "x_real_time",
              "equal_to_live"),
    ),
    "sustained": (
        "sustained",
        columns("phase", "spikes_per_s", "sent_per_s", "decided", "in_time", "incomplete",
                "sent_late", "lost", "late", "p50", "p95", "max", "memory_mib", "said_after_s",
                "source_cores", "decoder_cores", "others_cores"),
    ),
    "sliding": (
        "sliding",
        columns("backend", "spikes_per_s", "due", "decided", "skipped", "incomplete", "as_sent",
                "p50", "p95", "p99", "max"),
    ),
    "soak": ("soak", soak_rows),
    "soak-sums": ("soak", facts("seconds", "spikes_per_s", "realtime", "display", "n", "unanswered",
                                "incomplete", "memory_growth_mib")),
    "peers": ("peers", columns("name", "n", "unanswered", "p50", "p95", "p99", "p99.9", "max",
                               "ratio_p50", "ratio_p95", "ratio_p99", "off_max")),
}  # fmt: skip


def text_of(value: object) -> str:
    """A value as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


def markdown(figures: Figures, rows: Iterator[Row]) -> str:
    """One line on the machine, then the rows as a table."""
    machine = figures["machine"]
    versions = machine["versions"]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1min']} at the "
        f"start; Python {versions['python']}, torch {versions['torch']}, liblsl "
        f"{versions['liblsl']}; {machine['date'][:10]}."
    )
    head, *body = [[text_of(value) for value in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join([where, "", *("| " + " | ".join(cells) + " |" for cells in lines)])


def bench_page(folder: Path, page: Path = PAGE) -> None:
    """Write every table of which the folder has figures into the page, between its marks.

    Raises
    ------
    UserError
        If the folder has no figures, or the page no place for them.
    """
    text = page.read_text()
    written = 0
    for name, (source, rows_of) in TABLES.items():
        path = folder / f"{source}.json"
        if not path.is_file():
            continue
        figures = json.loads(path.read_text())
        place = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        table = markdown(figures, rows_of(figures)).replace("\\", r"\\")
        text, found = place.subn(rf"\g<1>{table}\n\g<2>", text)
        if not found:
            raise UserError(f"expected a place for the table {name} in {page}, found none")
        written += 1
    if not written:
        names = ", ".join(sorted({source for source, _ in TABLES.values()}))
        raise UserError(f"expected figures as NAME.json in {folder} ({names}), found none")
    page.write_text(text)
