"""Train a decoder on a session and write it as a bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from offline.geometry import class_geometry
from offline.grey import Grey, grey_windows
from offline.models.early import EarlyClassifier, early_figures
from offline.models.registry import fit_model, predict
from offline.models.training import check_device
from offline.protocol import EARLY_WINDOW, Outcome, run_folds, summarise, training_data
from rtdecode.bundle import BundleInfo, SessionUsed, file_sha256, save_bundle
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.session.model import Session
from rtdecode.splits import Fold, SplitKind, make_folds
from rtdecode.tasks import Task, resolve_task
from rtdecode.windows import WindowSpec


@dataclass(frozen=True)
class TrainResult:
    """What training gave.

    Attributes
    ----------
    info : BundleInfo
    metrics : dict of str to float
        ``accuracy``, ``chance``, ``calibration_error`` and ``trials`` on trials
        kept out; ``accuracy_shuffled`` with training labels dealt out anew and
        ``accuracy_0_30_ms`` from the 30 ms after onset, under the same split. Of a
        bundle that decides early and of a chronological split also
        ``accuracy_early`` and ``mean_decision_ms``, after onset.
    """

    info: BundleInfo
    metrics: dict[str, float]

    def summary(self) -> str:
        """One line for a person."""
        m = self.metrics
        named = {"accuracy_shuffled": "shuffled labels", "accuracy_0_30_ms": "0-30 ms"}
        controls = [f"chance {m['chance']:.1%}"]
        controls += [f"{text} {m[name]:.1%}" for name, text in named.items() if name in m]
        return (
            f"{self.info.model} on {self.info.task}, {self.info.split}, {self.info.window}: "
            f"{m['accuracy']:.1%} of {m['trials']:.0f} trials kept out ({', '.join(controls)}); "
            f"calibration error {m['calibration_error']:.3f}"
        )

    def figures(self) -> dict[str, object]:
        """The result as plain data for JSON."""
        return {
            "model": self.info.model,
            "task": self.info.task,
            "window": str(self.info.window),
            "split": self.info.split,
            "classes": list(self.info.classes),
            "units": len(self.info.unit_ids),
            "sessions": [used.model_dump() for used in self.info.sessions],
            **self.metrics,
        }


def measure(
    session: Session,
    task: Task,
    counts: NDArray[np.uint16],
    grey: Grey,
    folds: list[Fold],
    model: str,
    seed: int,
    *,
    fitted: torch.nn.Module | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """Ask a model on the trials kept out, beside its controls under the same split.

    ``fitted`` is the model of the one fold, if it is there already.
    """

    def ask(windows: NDArray[np.uint16], shuffled: bool = False) -> Outcome:
        return run_folds(
            task,
            windows,
            folds,
            model,
            seed=seed,
            shuffled=shuffled,
            units=session.units,
            grey=grey if windows is counts else None,
            device=device,
        )

    if fitted is None:
        outcome = ask(counts)
    else:
        rows = folds[0].test
        outcome = Outcome(rows, task.codes()[rows], predict(fitted, counts[rows]))
    metrics = summarise(outcome)
    metrics["accuracy_shuffled"] = ask(counts, shuffled=True).accuracy
    early = count_session(session, task.onsets_us, EARLY_WINDOW)
    metrics["accuracy_0_30_ms"] = ask(early).accuracy
    return metrics


def train(
    session: Session,
    task_name: str,
    model: str,
    window: WindowSpec,
    *,
    split: SplitKind = "chronological",
    train_share: float = 0.6,
    seed: int = 0,
    session_path: str | Path | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> tuple[torch.nn.Module, TrainResult]:
    """Fit a model to a session and measure it on trials kept out.

    A chronological split keeps its last trials out of the bundle too, so that
    they can be decoded afterwards. With the others every trial trains the
    bundle, and the figures come from models of the same recipe on the folds.

    Parameters
    ----------
    session : Session
        Already filtered to the units wanted.
    task_name : str
        A named task or ``TABLE.COLUMN``.
    model : str
    window : WindowSpec
    split : {"chronological", "random", "block"}
    train_share : float
        Share of the presentations that trains, of a chronological split.
    seed : int
    session_path : path or None
        Where the session came from, for its hash.
    device : {"cpu", "cuda"}
        Where torch fits.
    checkpoint : Path or None
        Folder that keeps a network's training while it goes on.

    Returns
    -------
    torch.nn.Module, TrainResult

    Raises
    ------
    UserError
        If the session lacks the task or a class has too few trials.
    """
    task = resolve_task(session, task_name)
    counts = count_session(session, task.onsets_us, window)
    folds = make_folds(task, split, train_share=train_share, seed=seed)
    grey = grey_windows(session, window)
    rows = folds[0].train if split == "chronological" else np.arange(len(task))
    is_one = split == "chronological"
    everything = folds[0] if is_one else Fold(folds[0].name, rows, rows[:0])
    data = training_data(
        task,
        counts,
        everything,
        units=session.units,
        grey=grey,
        device=device,
        checkpoint=checkpoint,
    )
    module = fit_model(model, data, seed)
    metrics = measure(
        session,
        task,
        counts,
        grey,
        folds,
        model,
        seed,
        fitted=module if is_one else None,
        device=device,
    )
    if is_one and isinstance(module, EarlyClassifier):
        held = folds[0].test
        metrics |= early_figures(module, counts[held], task.codes()[held], window)
    geometry = np.round(class_geometry(data.counts, data.codes, data.n_classes, data.grey), 5)
    used = SessionUsed(
        name=session.name,
        sha256=file_sha256(session_path) if session_path else "",
        last_training_onset_us=int(task.onsets_us[rows[-1]]),
    )
    info = BundleInfo(
        model=model,
        task=task.name,
        label_rule=task.rule,
        classes=task.classes,
        unit_ids=tuple(session.units.ids.tolist()),
        unit_areas=tuple(session.units.areas.tolist()),
        window=window,
        sessions=(used,),
        split=f"{split} {train_share:g}" if split == "chronological" else split,
        steps=tuple(range(1, module.n_steps + 1)) if isinstance(module, EarlyClassifier) else (),
        decide_at=module.decide_at if isinstance(module, EarlyClassifier) else None,
        metrics=metrics,
        class_geometry=tuple(map(tuple, geometry.tolist())),
    )
    return module, TrainResult(info, metrics)


def train_bundle(
    session: Session,
    task_name: str,
    model: str,
    window: WindowSpec,
    out: str | Path,
    *,
    split: SplitKind = "chronological",
    train_share: float = 0.6,
    seed: int = 0,
    session_path: str | Path | None = None,
    json_path: str | Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    force: bool = False,
) -> TrainResult:
    """`train`, then write the bundle and, if wanted, the figures as JSON.

    A network's training is kept in a folder beside ``out`` until the bundle is
    there; with ``resume`` a stopped one goes on.

    Raises
    ------
    UserError
        As `train`; or if a file is in the way and ``force`` is not given.
    """
    for path in (out, json_path):
        if path is not None:
            check_writable(Path(path), force)
    checkpoint = checkpoint_folder(Path(out), resume, force)
    module, result = train(
        session,
        task_name,
        model,
        window,
        split=split,
        train_share=train_share,
        seed=seed,
        session_path=session_path,
        device=check_device(device),
        checkpoint=checkpoint,
    )
    save_bundle(module, result.info, out, force=force)
    if json_path is not None:
        write_figures(result.figures(), json_path)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return result


def checkpoint_folder(out: Path, resume: bool, force: bool) -> Path:
    """Where a training is kept while it goes on.

    Raises
    ------
    UserError
        If a stopped training is there and it is not said what to do with it.
    """
    folder = out.with_name(f"{out.name}.training")
    if folder.exists() and not resume:
        if not force:
            raise UserError(
                f"{folder} holds a training that was stopped: give --resume to go on, or "
                "--force to begin anew"
            )
        shutil.rmtree(folder)
    return folder


def write_figures(figures: dict[str, object], path: str | Path) -> None:
    """Write figures as JSON."""
    Path(path).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
