"""Measure models on sessions: one task, one split, each figure beside its controls."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.controls import CONTROL_MODEL, compares_types, control_accuracies
from offline.grey import Grey, grey_windows
from offline.models.calibration import expected_calibration_error, reliability
from offline.models.early import decide, fit_early_lda, probabilities_by_step
from offline.models.registry import MODELS
from offline.models.training import check_device
from offline.protocol import Outcome, run_folds, summarise, training_data
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS
from rtdecode.session import QualityFilter, Session, read_session
from rtdecode.splits import Fold, SplitKind, make_folds
from rtdecode.tasks import Task, resolve_task
from rtdecode.windows import WindowSpec

POOLED = 8
# From when the response is there: what comes before is of the image before.
EARLY_STEPS = WindowSpec.parse("50:250:25")
UNIT_NUMBERS = (10, 30, 100, 300)
MIN_AREA_UNITS = 8


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes
    ----------
    task, window
    models : tuple of str
    split : {"block", "chronological", "random"}
    train_share : float
        Of a chronological split.
    areas : tuple of str
        Units of these alone; all if empty.
    filtered : bool
        Whether Allen's quality filter is applied.
    seed : int
    device : str
        Where torch fits: ``cpu`` or ``cuda``.
    curves : bool
        Also accuracy against units, window and area.
    controls : bool
        Whether the controls are measured.
    """

    task: str
    window: WindowSpec
    models: tuple[str, ...]
    split: SplitKind = "block"
    train_share: float = 0.8
    areas: tuple[str, ...] = ()
    filtered: bool = True
    seed: int = 0
    device: str = "cpu"
    curves: bool = False
    controls: bool = True


def model_names(text: str, task: str) -> tuple[str, ...]:
    """Models by name with commas between; ``all`` is every one that differs on this task."""
    if text != "all":
        return tuple(name.strip() for name in text.split(",") if name.strip())
    typed = task in ("natural-vs-artificial", "stimulus-type")
    return tuple(name for name in MODELS if typed or name != "stimulus-lda")


def evaluate_session(path: Path, settings: Settings) -> dict[str, Any]:
    """Every model on one session, as plain data.

    Raises
    ------
    UserError
        If the session lacks the task, areas or trials that are needed.
    """
    quality = QualityFilter() if settings.filtered else None
    session = read_session(path, quality=quality, areas=settings.areas)
    task = resolve_task(session, settings.task)
    counts = count_session(session, task.onsets_us, settings.window)
    grey = grey_windows(session, settings.window)
    folds = make_folds(task, settings.split, train_share=settings.train_share, seed=settings.seed)
    models = {
        name: _measure(session, task, counts, grey, folds, name, settings)
        for name in settings.models
    }
    controls = {}
    if settings.controls:
        controls = control_accuracies(session, task, counts, folds, settings.split, settings.seed)
    found: dict[str, Any] = {
        "session": session.name,
        "simulated": session.simulated,
        "task": task.name,
        "split": settings.split,
        "window": str(settings.window),
        "units": len(session.units),
        "classes": list(task.classes),
        "trials": len(task),
        "controls": controls,
        "models": models,
    }
    if settings.curves:
        found["curves"] = curves(session, task, counts, folds)
        found["deciding_early"] = deciding_early(session, task, folds, EARLY_STEPS)
    return found


def _measure(
    session: Session,
    task: Task,
    counts: NDArray[np.uint16],
    grey: Grey,
    folds: list[Fold],
    model: str,
    settings: Settings,
) -> dict[str, Any]:
    """One model's figures, confusion matrix and reliability."""
    began = time.perf_counter()
    outcome = run_folds(
        task,
        counts,
        folds,
        model,
        seed=settings.seed,
        units=session.units,
        grey=grey,
        device=settings.device,
    )
    found: dict[str, Any] = dict(summarise(outcome))
    found["seconds"] = time.perf_counter() - began
    if compares_types(task):
        found["accuracy_pooled_8"] = pooled_accuracy(task, outcome)
    n = len(task.classes)
    top = outcome.probabilities.argmax(axis=1)
    flat = np.bincount(outcome.codes * n + top, minlength=n * n)
    found["confusion"] = flat.reshape(n, n).tolist()
    columns = reliability(outcome.probabilities, outcome.codes)
    found["reliability"] = [column.tolist() for column in columns]
    return found


def pooled_accuracy(task: Task, outcome: Outcome, windows: int = POOLED) -> float:
    """Accuracy when evidence adds up over successive kept-out windows of one block."""
    order = np.argsort(outcome.rows, kind="stable")
    evidence = np.log(np.maximum(outcome.probabilities[order].astype(np.float64), 1e-9))
    codes, blocks = outcome.codes[order], task.blocks[outcome.rows[order]]
    right: list[bool] = []
    for block in np.unique(blocks):
        mine = np.flatnonzero(blocks == block)
        whole = mine[: len(mine) // windows * windows].reshape(-1, windows)
        pooled = evidence[whole].sum(axis=1).argmax(axis=1)
        right += (pooled == codes[whole[:, 0]]).tolist()
    return float(np.mean(right)) if right else float("nan")


def curves(
    session: Session, task: Task, counts: NDArray[np.uint16], folds: list[Fold]
) -> dict[str, dict[str, float]]:
    """Accuracy of LDA against units, end of the window, and by area."""
    units = np.random.default_rng(0).permutation(counts.shape[2])
    numbers = [n for n in UNIT_NUMBERS if n < len(units)] + [len(units)]

    def accuracy(part: NDArray[np.uint16]) -> float:
        return run_folds(task, part, folds, CONTROL_MODEL).accuracy

    whole = counts.sum(axis=1, keepdims=True).astype(np.uint16)
    spec_ends = {
        f"{end}": count_session(session, task.onsets_us, WindowSpec.parse(f"0:{end}"))
        for end in range(50, 251, 50)
    }
    names, sizes = np.unique(session.units.areas, return_counts=True)
    large = [str(a) for a, n in zip(names, sizes, strict=True) if a and n >= MIN_AREA_UNITS]
    return {
        "units": {str(n): accuracy(whole[:, :, units[:n]]) for n in numbers},
        "window_end_ms": {end: accuracy(part) for end, part in spec_ends.items()},
        "area": {a: accuracy(whole[:, :, session.units.areas == a]) for a in large},
    }


def early_session(path: Path, settings: Settings) -> dict[str, Any]:
    """`deciding_early` of one session; ``settings.window`` has the bins."""
    quality = QualityFilter() if settings.filtered else None
    session = read_session(path, quality=quality, areas=settings.areas)
    task = resolve_task(session, settings.task)
    folds = make_folds(task, settings.split, train_share=settings.train_share, seed=settings.seed)
    return {"session": session.name, **deciding_early(session, task, folds, settings.window)}


def deciding_early(
    session: Session, task: Task, folds: list[Fold], window: WindowSpec
) -> dict[str, Any]:
    """Accuracy and calibration after every bin, and what the stopping rule gives.

    Parameters
    ----------
    window : WindowSpec
        With the bins after which a decision may fall.
    """
    counts = count_session(session, task.onsets_us, window)
    grey = grey_windows(session, window)
    codes = task.codes()
    by_step, steps, top = [], [], []
    for fold in folds:
        module = fit_early_lda(training_data(task, counts, fold, grey=grey))
        probabilities = probabilities_by_step(module, counts[fold.test])
        decisions = decide(probabilities, module.decide_at)
        by_step.append(probabilities)
        steps.append(decisions.steps)
        top.append(decisions.top)
    truth = np.concatenate([codes[fold.test] for fold in folds])
    posteriors = np.concatenate(by_step, axis=1)
    ends_us = window.offset_us + window.bin_us * np.arange(1, window.n_bins + 1)
    times_us = ends_us[np.concatenate(steps) - 1]
    return {
        "end_ms": (ends_us / US_PER_MS).tolist(),
        "accuracy": [float((p.argmax(axis=1) == truth).mean()) for p in posteriors],
        "calibration_error": [expected_calibration_error(p, truth) for p in posteriors],
        "accuracy_whole": float((posteriors[-1].argmax(axis=1) == truth).mean()),
        "accuracy_stopped": float((np.concatenate(top) == truth).mean()),
        "mean_decision_ms": float(times_us.mean() / US_PER_MS),
        "share_of_window": float(times_us.mean() / ends_us[-1]),
    }


def medians(records: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median over sessions of every figure of every model and control."""
    found: dict[str, dict[str, float]] = {}
    for name in records[0]["models"]:
        rows = [record["models"][name] for record in records]
        keys = [key for key, value in rows[0].items() if isinstance(value, float)]
        found[name] = {key: float(np.median([row[key] for row in rows])) for key in keys}
    names = set.intersection(*(set(record["controls"]) for record in records))
    found["controls"] = {
        name: float(np.mean([record["controls"][name] for record in records]))
        for name in sorted(names)
    }
    return found


def table(records: Sequence[dict[str, Any]]) -> str:
    """Medians as lines of text, controls (means over sessions) beneath."""
    middle = medians(records)
    first = records[0]
    lines = [
        f"{first['task']}, split {first['split']}, window {first['window']}, "
        f"{len(records)} session(s); medians"
    ]
    for name, figures in middle.items():
        if name == "controls":
            continue
        pooled = figures.get("accuracy_pooled_8")
        lines.append(
            f"  {name:13s} {figures['accuracy']:7.2%}"
            + (f"  over 8 windows {pooled:7.2%}" if pooled is not None else "")
            + f"  chance {figures['chance']:.2%}"
            f"  calibration error {figures['calibration_error']:.3f}"
            f"  {figures['seconds']:.0f} s"
        )
    text = ", ".join(f"{name} {value:.2%}" for name, value in middle["controls"].items())
    return "\n".join([*lines, f"  controls ({CONTROL_MODEL}, mean): {text}"])


def evaluate(
    paths: Sequence[Path],
    settings: Settings,
    *,
    json_path: Path | None = None,
    report: Path | None = None,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Measure models on sessions; figures as JSON and a page with plots, if wanted."""
    from rich.console import Console

    from offline.evaluation_page import write_page
    from rtdecode.files import check_writable, written_whole
    from rtdecode.session.report import page_path

    unknown = [name for name in settings.models if name not in MODELS]
    if unknown or not settings.models:
        raise UserError(f"a model is one of {', '.join(MODELS)}; found {', '.join(unknown)!r}")
    if json_path is not None:
        check_writable(json_path, force)
    check_device(settings.device)
    page = page_path(report, force) if report is not None else None
    console = Console(stderr=True)
    records = []
    for number, path in enumerate(paths, 1):
        console.print(f"session {number} of {len(paths)}: {path.name}", highlight=False)
        records.append(evaluate_session(path, settings))
    if json_path is not None:
        with written_whole(json_path) as half:
            text = json.dumps({"medians": medians(records), "sessions": records}, indent=1)
            half.write_text(text + "\n", encoding="utf-8")
    if page is not None:
        write_page(records, page)
    return records
