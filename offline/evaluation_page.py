"""The page of an evaluation: figures beside their controls, with plots."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rtdecode.files import written_whole

INK, CONTROL = "#2b6cb0", "#a0aec0"
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem} img{max-width:100%} pre{background:#f6f6f6;padding:.8rem;overflow:auto}"
)


def write_page(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the page of one evaluation, plots inside."""
    from offline.evaluate import medians, table

    best = max(
        (name for name in records[0]["models"]),
        key=lambda name: medians(records)[name]["accuracy"],
    )
    plots = [
        ("Accuracy beside the controls", accuracies(records)),
        (f"Confusions of {best}, all sessions", confusion(records, best)),
        ("Reliability", reliabilities(records)),
        *early_plots(records),
        *((f"Accuracy of LDA by {name}", plot) for name, plot in curve_plots(records)),
    ]
    simulated = "These data are simulated." if records[0]["simulated"] else ""
    body = "".join(f"<h2>{escape(n)}</h2><img alt='{escape(n)}' src='{_src(p)}'>" for n, p in plots)
    text = (
        f"<!doctype html><meta charset='utf-8'><title>{escape(records[0]['task'])}</title>"
        f"<style>{STYLE}</style><h1>{escape(records[0]['task'])}</h1><p>{simulated}</p>"
        f"<pre>{escape(table(records))}</pre>{body}\n"
    )
    with written_whole(path) as half:
        half.write_text(text, encoding="utf-8")


def _src(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def accuracies(records: Sequence[dict[str, Any]]) -> Figure:
    """Each session a dot, their median a bar; controls in grey."""
    models = {n: [r["models"][n]["accuracy"] for r in records] for n in records[0]["models"]}
    names = sorted(set.intersection(*(set(r["controls"]) for r in records)))
    controls = {n: [r["controls"][n] for r in records] for n in names}
    chance = float(np.median([m["chance"] for r in records for m in r["models"].values()]))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, (name, values) in enumerate((models | controls).items()):
        axes.bar(i, np.median(values), color=INK if name in models else CONTROL, width=0.7)
        axes.plot(np.full(len(values), i), values, "o", color="#1a202c", ms=3, alpha=0.6)
    axes.axhline(chance, color="#c53030", lw=1, ls="--", label="chance")
    axes.set_xticks(range(len(models | controls)), list(models | controls), rotation=20)
    axes.set(ylim=(0, 1.02), ylabel="accuracy")
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion(records: Sequence[dict[str, Any]], model: str) -> Figure:
    """Share of each true class that was taken for each class."""
    classes = records[0]["classes"]
    same = [r["models"][model]["confusion"] for r in records if r["classes"] == classes]
    total = np.sum(same, axis=0).astype(float)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="magma", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    if len(classes) <= 12:
        axes.set_xticks(range(len(classes)), classes, rotation=45)
        axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="decoded", ylabel="true")
    return figure


def reliabilities(records: Sequence[dict[str, Any]]) -> Figure:
    """Accuracy against confidence, all sessions together, a line a model."""
    figure = Figure(figsize=(5.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=CONTROL, lw=1)
    for name in records[0]["models"]:
        parts = [np.array(r["models"][name]["reliability"]) for r in records]
        number = np.sum([p[2] for p in parts], axis=0)
        kept = number >= 10
        safe = np.maximum(number, 1)
        confidence, accuracy = (np.sum([p[i] * p[2] for p in parts], axis=0) / safe for i in (0, 1))
        axes.plot(confidence[kept], accuracy[kept], "o-", ms=3, lw=1.2, label=name, clip_on=False)
    axes.set(xlabel="probability of the top class", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def early_plots(records: Sequence[dict[str, Any]]) -> list[tuple[str, Figure]]:
    """Accuracy against the time since onset, and where the stopping rule lands."""
    measured = [r["deciding_early"] for r in records if "deciding_early" in r]
    if not measured:
        return []
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    for early in measured:
        axes.plot(early["end_ms"], early["accuracy"], color=INK, lw=1.2)
        axes.plot(early["mean_decision_ms"], early["accuracy_stopped"], "*", color="#dd6b20", ms=11)
    axes.set(xlabel="time after onset, ms", ylabel="accuracy", ylim=(0, 1.02))
    axes.set_title("line: decided at that time; star: decided when sure enough", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return [("Deciding early", figure)]


def curve_plots(records: Sequence[dict[str, Any]]) -> list[tuple[str, Figure]]:
    """One plot for each curve that was measured, a line a session."""
    measured = [r["curves"] for r in records if "curves" in r]
    labels = {"units": "units", "window_end_ms": "end of the window, ms", "area": "area"}
    found = []
    for key, label in labels.items() if measured else ():
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots()
        for curve in measured:
            x = [k if key == "area" else float(k) for k in curve[key]]
            axes.plot(x, list(curve[key].values()), "o" if key == "area" else "o-", ms=4)
        if key == "units":
            axes.set_xscale("log")
        axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        found.append((label, figure))
    return found
