"""The plots of a session's page: time line, units, rates, metrics, responses, running."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtdecode.microseconds import US_PER_MS, US_PER_S
from rtdecode.session.columns import FloatArray
from rtdecode.session.model import Int64Array, Presentations
from rtdecode.session.quality import QualityFilter
from rtdecode.session.summary import AreaSummary, Summary

# Okabe and Ito 2008: told apart by colour-blind eyes too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#555555")
GREY = "#b8b8b8"
RED = "#C1272D"
WIDTH = 9.0
MINUTE_US = 60 * US_PER_S
MOST_BINS = 600
# A response is drawn from so many presentations at the most, spread over the session.
MOST_ONSETS = 300
BEFORE_US, AFTER_US, STEP_US = 50 * US_PER_MS, 350 * US_PER_MS, 10 * US_PER_MS
MOST_AREAS = 8
MOST_ACROSS = 3
LOWEST_HZ = 0.01  # a logarithm has no place for a unit that never fired
GOLDEN = 0.618


def new_axes(height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure as wide as the page, with axes side by side."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = [figure.add_subplot(1, columns, place + 1) for place in range(columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def timeline(summary: Summary) -> Figure:
    """Blocks of every stimulus over the session, and the spikes a second of all kept units."""
    tables = summary.stimuli
    figure = Figure(figsize=(WIDTH, 1.9 + 0.28 * len(tables)), layout="constrained")
    shares = (max(0.28 * len(tables), 0.3), 1.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=shares)
    for row, table in enumerate(tables):
        spans = [(a / MINUTE_US, (b - a) / MINUTE_US) for a, b in table.blocks_us.tolist()]
        top.broken_barh(spans, (row - 0.4, 0.8), color=COLOURS[row % len(COLOURS)])
    top.set_yticks(range(len(tables)), [table.name for table in tables])
    top.invert_yaxis()
    top.tick_params(bottom=False, left=False)
    top.spines[:].set_visible(False)
    middles_min, rate_khz = population_rate(summary)
    bottom.plot(middles_min, rate_khz, color=COLOURS[0], linewidth=0.8)
    bottom.set(xlabel="minutes", ylabel="1000 spikes/s", ylim=(0, None))
    bottom.spines[["top", "right"]].set_visible(False)
    for start, stop in (*summary.session.invalid_us.tolist(), *summary.silences_us.tolist()):
        for ax in (top, bottom):
            ax.axvspan(start / MINUTE_US, stop / MINUTE_US, color=RED, alpha=0.25, linewidth=0)
    return figure


def population_rate(summary: Summary) -> tuple[FloatArray, FloatArray]:
    """Spikes of the kept units over time.

    Returns
    -------
    middles : (bins,) float64
        Minutes.
    rate : (bins,) float64
        Thousands of spikes a second.
    """
    span_us = max(summary.stop_us - summary.start_us, 1)
    bins = int(np.clip(span_us // US_PER_S, 1, MOST_BINS))
    edges = np.linspace(summary.start_us, summary.start_us + span_us, bins + 1)
    counts = np.zeros(bins)
    for row in np.flatnonzero(summary.kept).tolist():
        counts += np.histogram(summary.session.spikes_of(row), edges)[0]
    return (edges[:-1] + edges[1:]) / (2 * MINUTE_US), counts / (span_us / bins) * 1e3


def units(summary: Summary) -> Figure:
    """Units of each area before and after the filter, and the rates of those after."""
    areas = summary.areas
    figure, (left, right) = new_axes(1.2 + 0.3 * len(areas), columns=2)
    places = np.arange(len(areas))
    left.barh(places, [area.units for area in areas], color=GREY, label="all")
    left.barh(places, [area.kept for area in areas], color=COLOURS[0], label="after the filter")
    left.set(xlabel="units")
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    for place, area in enumerate(areas):
        _draw_rates(right, place, area)
    right.set(xlabel="rate after the filter, Hz (each unit; quartiles)", xscale="log")
    right.xaxis.set_major_formatter("{x:g}")
    for ax in (left, right):
        ax.set_yticks(places, [area.area for area in areas])
        ax.set_ylim(len(areas) - 0.4, -0.6)
    return figure


def _draw_rates(ax: Axes, place: int, area: AreaSummary) -> None:
    """Draw every unit of an area as a dot, and the quartiles over them."""
    quartiles = area.rate_quartiles()
    if quartiles is None:
        return
    low, middle, high = np.maximum(quartiles, LOWEST_HZ)
    rates_hz = np.sort(np.maximum(area.rates_hz, LOWEST_HZ))
    # Spread by rank, so that the picture is the same each time.
    spread = (np.arange(len(rates_hz)) * GOLDEN % 1 - 0.5) * 0.5
    ax.plot(rates_hz, place + spread, ".", color=GREY, markersize=3)
    ax.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
    ax.plot([middle], [place], "o", color=COLOURS[0], markersize=5)


def metrics(summary: Summary, quality: QualityFilter) -> Figure | None:
    """Quality metrics of all units and their bounds; None where the session has none."""
    bounds = {
        "amplitude_cutoff": quality.amplitude_cutoff,
        "presence_ratio": quality.presence_ratio,
        "isi_violations": quality.isi_violations,
    }
    held = {name: summary.session.units.metrics.get(name) for name in bounds}
    known = {name: v[np.isfinite(v)] for name, v in held.items() if v is not None}
    known = {name: values for name, values in known.items() if len(values)}
    if not known:
        return None
    figure, axes = new_axes(2.2, columns=len(known))
    for ax, (name, values) in zip(axes, known.items(), strict=True):
        # A few units are far out: the last bin holds all beyond it.
        highest = float(np.quantile(values, 0.98))
        ax.hist(np.minimum(values, highest), bins=40, color=GREY)
        bound = bounds[name]
        if bound is not None:
            ax.axvline(bound, color=RED, linewidth=1.2)
        ax.set(xlabel=name, ylabel="units" if ax is axes[0] else "")
    return figure


def responses(summary: Summary) -> Figure | None:
    """Mean rate about the onsets of each stimulus, by area; None without presentations."""
    tables = [
        summary.session.presentations[stimulus.name]
        for stimulus in summary.stimuli
        if stimulus.presentations > 1 and stimulus.name != "spontaneous"
    ]
    areas = [area.area for area in summary.areas if area.kept][:MOST_AREAS]
    if not tables or not areas:
        return None
    across = min(len(tables), MOST_ACROSS)
    rows = -(-len(tables) // across)
    figure = Figure(figsize=(WIDTH, 2.3 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False).ravel()
    for ax, table in zip(grid, tables, strict=False):
        _draw_response(ax, summary, table, areas)
    for ax in grid[len(tables) :]:
        ax.set_visible(False)
    for ax in grid[::across]:
        ax.set_ylabel("Hz a unit")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def _draw_response(ax: Axes, summary: Summary, table: Presentations, areas: list[str]) -> None:
    """Draw the rate of each area about the onsets of one table."""
    middles_ms = (np.arange(-BEFORE_US, AFTER_US, STEP_US) + STEP_US / 2) / US_PER_MS
    for area, colour in zip(areas, COLOURS, strict=False):
        rate_hz = response(summary, table, area)
        ax.plot(middles_ms, rate_hz, color=colour, linewidth=1.2, label=area)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set_title(table.name, fontsize=9)
    ax.set_xlabel("ms after onset")
    ax.spines[["top", "right"]].set_visible(False)


def response(summary: Summary, table: Presentations, area: str) -> FloatArray:
    """Mean rate of an area's kept units about the onsets of a table, (bins,) Hz."""
    inside = summary.kept & (summary.area_of_units == area)
    every = -(-len(table) // MOST_ONSETS)
    edges = table.start_us[::every, None] + np.arange(-BEFORE_US, AFTER_US + STEP_US, STEP_US)
    counts = np.zeros(edges.shape[1] - 1)
    for row in np.flatnonzero(inside).tolist():
        counts += np.diff(np.searchsorted(summary.session.spikes_of(row), edges)).sum(axis=0)
    rate_hz: FloatArray = counts / (len(edges) * inside.sum() * STEP_US / US_PER_S)
    return rate_hz


def running(times_us: Int64Array, speed_cm_s: FloatArray) -> Figure:
    """Running speed over the session."""
    figure, (ax,) = new_axes(1.6)
    every = max(len(times_us) // 5000, 1)
    ax.plot(times_us[::every] / MINUTE_US, speed_cm_s[::every], color=COLOURS[2], linewidth=0.6)
    ax.set(xlabel="minutes", ylabel="running, cm/s")
    return figure
