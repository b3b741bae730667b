"""The whole table of results with one command, resumable, on one machine or a lab's cluster.

Every session, task, split and model is a cell of its own, and each cell's
figures a file; a run that was stopped goes on with the cells that are missing.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import distributed
import numpy as np
from rich.progress import Progress

from offline.across import run_curve, run_zero_shot
from offline.evaluate import EARLY_STEPS, Settings, early_session, evaluate_session
from offline.learning_curves import markdown as curves_markdown
from rtdecode.errors import UserError
from rtdecode.files import made_folder, written_whole
from rtdecode.splits import SplitKind
from rtdecode.windows import WindowSpec

Kind = Literal["within", "early", "zero-shot", "curve"]
CONTROLS, DIRECTION = "controls", "drifting-gratings-direction"
# The first 50 ms still show the image before.
WHOLE = WindowSpec.parse("50:250")
IMAGE = WindowSpec.parse("50:250:50")
# Where the model chooses its own window out of this one, on training trials.
WIDE = WindowSpec.parse("0:300:25")
WINDOW_OF = {"cnn": IMAGE, "gru": IMAGE, "window-lda": WIDE}
# A drifting grating lasts two seconds, and the whole of it is decoded.
GRATING = WindowSpec.parse("50:2050")
WIDE_GRATING = WindowSpec.parse("0:2000:250")
MODELS_OF: dict[tuple[str, SplitKind], tuple[str, ...]] = {
    ("natural-scenes", "chronological"): (
        *("lda", "window-lda", "grey-lda", "residual", "ensemble", "distilled"),
        *("poisson", "shallow", "logistic", "gru", "cnn"),
    ),
    ("natural-vs-artificial", "block"): ("stimulus-lda", "lda", "shallow"),
    ("static-gratings", "chronological"): (
        *("lda", "window-lda", "grey-lda", "residual", "ensemble"),
        *("poisson", "shallow", "logistic"),
    ),
    ("static-gratings-orientation", "chronological"): (
        *("lda", "window-lda", "grey-lda", "residual", "ensemble"),
        *("poisson", "shallow", "logistic"),
    ),
    (DIRECTION, "chronological"): (
        *("lda", "window-lda", "grey-lda", "residual", "ensemble"),
        *("poisson", "shallow", "logistic"),
    ),
    ("natural-vs-artificial", "random"): ("stimulus-lda", "lda", "shallow"),
    ("stimulus-type", "block"): ("stimulus-lda", "lda"),
}
# These come last, so that a run that is stopped has the rest of the table.
SLOW = ("poisson", "shallow", "logistic", "distilled", "gru", "cnn")
# Little enough for two mice and two cores in ten minutes.
QUICK: dict[tuple[str, SplitKind], tuple[str, ...]] = {
    ("natural-scenes", "chronological"): ("lda", "grey-lda", "residual"),
    ("natural-vs-artificial", "block"): ("stimulus-lda", "lda"),
    ("static-gratings", "chronological"): ("lda", "grey-lda", "residual"),
}


# From three sessions on: two to learn from and one to ask.
ACROSS: tuple[tuple[Kind, str], ...] = (
    ("zero-shot", "natural-vs-artificial"),
    ("curve", "static-gratings"),
    ("curve", "natural-scenes"),
)
EARLY: tuple[str, ...] = ("natural-scenes", "static-gratings")
MOST_OTHERS = 7


@dataclass(frozen=True)
class Cell:
    """One session and task, with a split and model (or the controls), or across animals.

    Attributes
    ----------
    path : Path
    settings : Settings
    kind : {"within", "early", "zero-shot", "curve"}
    others : tuple of Path
        Animals to learn from.
    """

    path: Path
    settings: Settings
    kind: Kind = "within"
    others: tuple[Path, ...] = ()

    @property
    def model(self) -> str:
        """Name of the model, or ``controls``."""
        return self.settings.models[0] if self.settings.models else CONTROLS

    @property
    def name(self) -> str:
        """A file name of its own."""
        s = self.settings
        if self.kind != "within":
            return f"{self.path.stem}.{s.task}.{self.kind}.json"
        return f"{self.path.stem}.{s.task}.{s.split}.{self.model}.json"


def window_of(task: str, model: str) -> WindowSpec:
    """The window of a task, in the bins that a model wants."""
    if task == DIRECTION:
        return WIDE_GRATING if model == "window-lda" else GRATING
    return WINDOW_OF.get(model, WHOLE)


def cells(paths: Sequence[Path], *, quick: bool = False) -> list[Cell]:
    """All cells of the table; the controls of each task are cells too."""
    found = []
    for (task, split), models in (QUICK if quick else MODELS_OF).items():
        base = Settings(task, window_of(task, CONTROLS), (), split)
        for path in paths:
            found.append(Cell(path, base))
            for model in models:
                window = window_of(task, model)
                found.append(
                    Cell(path, replace(base, models=(model,), window=window, controls=False))
                )
    found = sorted(found, key=lambda cell: cell.model in SLOW)
    return found if quick else [*found, *_early_cells(paths), *_across_cells(paths)]


def _early_cells(paths: Sequence[Path]) -> list[Cell]:
    """Deciding early, in order of time."""
    settings = [Settings(task, EARLY_STEPS, (), "chronological") for task in EARLY]
    return [Cell(path, one, "early") for one in settings for path in paths]


def _across_cells(paths: Sequence[Path]) -> list[Cell]:
    """Each session as a new animal, the next ones as those to learn from."""
    found = []
    for kind, task in ACROSS if len(paths) > 2 else ():
        for i, path in enumerate(paths):
            others = (*paths[i + 1 :], *paths[:i])[:MOST_OTHERS]
            found.append(Cell(path, Settings(task, WHOLE, ()), kind, others))
    return found


def _measure(cell: Cell) -> dict[str, Any]:
    """A cell's figures."""
    task = cell.settings.task
    if cell.kind == "zero-shot":
        return run_zero_shot(cell.path, cell.others, task)
    if cell.kind == "curve":
        return run_curve(cell.path, cell.others, task, cell.settings.window)
    if cell.kind == "early":
        return early_session(cell.path, cell.settings)
    return evaluate_session(cell.path, cell.settings)


def run_cell(cell: Cell, out: Path) -> str:
    """Measure one cell and write its file; why not, if the session has no such task."""
    try:
        record = _measure(cell)
    except UserError as error:
        return f"{cell.path.name}, {cell.settings.task}: {error}"
    with written_whole(out / cell.name) as half:
        half.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return ""


def reproduce(
    paths: Sequence[Path],
    out: Path,
    *,
    quick: bool = False,
    scheduler: str = "",
    workers: int = 2,
) -> str:
    """Measure every cell that is not there yet; the table as Markdown.

    Parameters
    ----------
    paths : sequence of Path
        Sessions; a cluster must see them under the same names.
    out : Path
        Gets ``cells/``, ``results.md`` and ``results.json``.
    quick : bool
        Fewer tasks and models, and nothing across sessions.
    scheduler : str
        Address of a ``dask`` scheduler; a local cluster if empty.
    workers : int
        Processes of a local cluster.
    """
    folder = made_folder(out / "cells")
    everything = cells(paths, quick=quick)
    missing = [cell for cell in everything if not (folder / cell.name).exists()]
    if missing:
        _run(missing, folder, scheduler, workers)
    records = [
        (cell, json.loads((folder / cell.name).read_text(encoding="utf-8")))
        for cell in everything
        if (folder / cell.name).exists()
    ]
    rows = summary_rows([pair for pair in records if pair[0].kind == "within"])
    text = markdown(rows) + across_markdown(records)
    (out / "results.md").write_text(text, encoding="utf-8")
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return text


def _run(missing: Sequence[Cell], folder: Path, scheduler: str, workers: int) -> None:
    """Hand the cells to a cluster and wait for them, with progress."""
    dask: Any = distributed  # without types
    cluster = (
        None
        if scheduler
        else dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    )
    with dask.Client(scheduler or cluster) as client, Progress() as progress:
        bar = progress.add_task("cells", total=len(missing))
        # Results are files, so nothing that dask remembers may stand in for one.
        futures = [client.submit(run_cell, cell, folder, pure=False) for cell in missing]
        said: set[str] = set()
        for _, left_out in dask.as_completed(futures, with_results=True):
            # Once, not for every model: a session without a task has it for none.
            if left_out and left_out not in said:
                progress.console.print(left_out, highlight=False)
            said.add(left_out)
            progress.update(bar, advance=1)
    if cluster is not None:
        cluster.close()


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval over sessions (normal, standard error)."""
    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return mean, mean - half, mean + half


def summary_rows(records: Sequence[tuple[Cell, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each task, split and model: medians over sessions; controls: means."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for cell, record in records:
        key = (cell.settings.task, cell.settings.split, cell.model)
        groups.setdefault(key, []).append(record)
    rows = []
    for (task, split, model), found in groups.items():
        row: dict[str, Any] = {
            "task": task,
            "split": split,
            "model": model,
            "window": found[0]["window"],
            "sessions": len(found),
        }
        if model == CONTROLS:
            names = set.intersection(*(set(r["controls"]) for r in found))
            row |= {n: interval([r["controls"][n] for r in found]) for n in sorted(names)}
        else:
            figures = [r["models"][model] for r in found]
            keys = [k for k, v in figures[0].items() if isinstance(v, float)]
            row |= {k: float(np.median([f[k] for f in figures])) for k in keys}
        rows.append(row)
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table, each task's controls beneath it."""
    lines = [
        "| task | split | model | sessions | accuracy | over 8 windows | chance "
        "| calibration error | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in (r for r in rows if r["model"] != CONTROLS):
        pooled = f"{row['accuracy_pooled_8']:.1%}" if "accuracy_pooled_8" in row else ""
        lines.append(
            f"| {row['task']} | {row['split']} | {row['model']} | {row['sessions']} "
            f"| {row['accuracy']:.1%} | {pooled} | {row['chance']:.1%} "
            f"| {row['calibration_error']:.3f} | {row['seconds']:.0f} |"
        )
    lines += ["", "| task | split | control | mean | 95 % interval |", "|---|---|---|---|---|"]
    for row in (r for r in rows if r["model"] == CONTROLS):
        lines += [
            f"| {row['task']} | {row['split']} | {name} | {value[0]:.1%} "
            f"| {value[1]:.1%} to {value[2]:.1%} |"
            for name, value in row.items()
            if isinstance(value, tuple | list)
        ]
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    return "\n".join([*lines, "", f"Medians over sessions; measured on {machine}.", ""])


def across_markdown(records: Sequence[tuple[Cell, dict[str, Any]]]) -> str:
    """Deciding early, zero-shot and learning curves as tables."""
    lines = []
    groups: dict[tuple[Kind, str], list[dict[str, Any]]] = {}
    for cell, record in records:
        groups.setdefault((cell.kind, cell.settings.task), []).append(record)
    for (kind, task), found in groups.items():
        if kind == "early":
            lines += ["", f"Deciding early, {task}:", "", *_medians(found, EARLY_FIGURES)]
        elif kind == "zero-shot":
            lines += ["", f"Zero-shot, {task}:", "", *_medians(found, ZERO_SHOT_FIGURES)]
            lines += ["", *_calibration_curve(found)]
        elif kind == "curve":
            curve = [row for record in found for row in record["curve"]]
            lines += ["", f"Transfer, {task}, {len(found)} sessions:", "", curves_markdown(curve)]
    return "\n".join([*lines, ""])


EARLY_FIGURES = ("accuracy_whole", "accuracy_stopped", "mean_decision_ms", "share_of_window")
ZERO_SHOT_FIGURES = ("accuracy", "accuracy_pooled_8", "calibration_error", "drift_grey")


def _calibration_curve(records: Sequence[dict[str, Any]]) -> list[str]:
    """What a few labelled trials add to zero-shot, and give alone: medians over sessions."""
    rows = [row for record in records for row in record["calibration_curve"]]
    lines = ["| trials a class | way | one window | over 8 windows |", "|---|---|---|---|"]
    for k, way in sorted({(row["k"], row["way"]) for row in rows}):
        mine = [row for row in rows if (row["k"], row["way"]) == (k, way)]
        one, pooled = (
            np.median([row[name] for row in mine]) for name in ("accuracy", "accuracy_pooled_8")
        )
        lines.append(f"| {k} | {way} | {one:.1%} | {pooled:.1%} |")
    return lines


def _medians(records: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Median of each figure over sessions."""
    lines = [f"| figure | median of {len(records)} | lowest | highest |", "|---|---|---|---|"]
    for name in names:
        values = [record[name] for record in records]
        lines.append(
            f"| {name} | {np.median(values):.3f} | {min(values):.3f} | {max(values):.3f} |"
        )
    return lines


def cohort(out: Path, mice: int, seed: int) -> list[Path]:
    """Simulated sessions of the results; those that are there are used again."""
    from offline.simulate import session_path, simulate

    profile = "scenes-and-gratings"
    paths = [session_path(out, profile, seed, mouse) for mouse in range(mice)]
    if not all(path.exists() for path in paths):
        simulate(out, mice, seed, profile, force=True)
    return paths
