"""Train what several animals share, and write it as the bundle of the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from offline.animals import animal_of
from offline.grey import grey_windows
from offline.kinds_decoder import fit_with_kinds, learn_shared
from offline.models.calibration import fit_temperature
from offline.models.read_in import ReadInClassifier, train_read_in, trunk_logits
from offline.models.registry import predict
from offline.models.training import check_device
from offline.protocol import Outcome, summarise
from offline.train import TrainResult, write_figures
from offline.transfer import READ_IN, UNIT_KINDS, UNIT_SET, unwhitened
from offline.whitening import whitening, whole
from offline.zero_shot import asked_views, classifier, train_trunk, unlabelled_view
from rtdecode.bundle import BundleInfo, SessionUsed, file_sha256, save_bundle
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.session import QualityFilter, Session, read_session
from rtdecode.splits import chronological_fold
from rtdecode.tasks import Task, resolve_task
from rtdecode.windows import WindowSpec

SHARED_MODELS = (UNIT_SET, READ_IN, UNIT_KINDS)


def train_shared_bundle(
    paths: Sequence[Path],
    task_name: str,
    model: str,
    window: WindowSpec,
    out: Path,
    *,
    quality: QualityFilter | None = None,
    areas: tuple[str, ...] = (),
    train_share: float = 0.6,
    seed: int = 0,
    device: str = "cpu",
    json_path: Path | None = None,
    force: bool = False,
) -> TrainResult:
    """Train on several animals; the bundle decodes the last one and is a donor for others.

    Raises
    ------
    UserError
        If there are fewer than two sessions, their classes differ or a file is in the way.
    """
    for path in (out, json_path):
        if path is not None:
            check_writable(path, force)
    check_device(device)
    if len(paths) < 2:
        raise UserError(
            f"model {model} learns what animals share: expected two or more sessions, found "
            f"{len(paths)}: give others too"
        )
    sessions = [read_session(path, quality=quality, areas=areas) for path in paths]
    tasks = [resolve_task(session, task_name) for session in sessions]
    if len({task.classes for task in tasks}) > 1:
        raise UserError(
            f"expected sessions with the same classes of {task_name}, found "
            f"{len({task.classes for task in tasks})} sets of classes: leave some out"
        )
    trainers = {UNIT_SET: _train_unit_set, READ_IN: _train_read_in, UNIT_KINDS: _train_kinds}
    train_model = trainers[model]
    module, metrics, temperature = train_model(sessions, tasks, window, train_share, seed, device)
    last = sessions[-1]
    info = BundleInfo(
        model=model,
        task=tasks[-1].name,
        label_rule=tasks[-1].rule,
        classes=tasks[-1].classes,
        unit_ids=tuple(last.units.ids.tolist()),
        unit_areas=tuple(last.units.areas.tolist()),
        window=window,
        sessions=tuple(
            _used(session, task, path, train_share if session is last else 1.0)
            for session, task, path in zip(sessions, tasks, paths, strict=True)
        ),
        split="animals kept out" if model == UNIT_SET else f"chronological {train_share:g}",
        metrics=metrics,
        temperature=temperature,
    )
    result = TrainResult(info, metrics)
    save_bundle(module, info, out, force=force)
    if json_path is not None:
        write_figures(result.figures(), json_path)
    return result


def _used(session: Session, task: Task, path: Path, share: float) -> SessionUsed:
    last = max(round(len(task) * share), 1) - 1
    return SessionUsed(
        name=session.name,
        sha256=file_sha256(path),
        last_training_onset_us=int(task.onsets_us[last]),
    )


def _train_unit_set(
    sessions: Sequence[Session],
    tasks: Sequence[Task],
    window: WindowSpec,
    train_share: float,
    seed: int,
    device: str,
) -> tuple[torch.nn.Module, dict[str, float], float]:
    """The last animals say when to stop; the bundle's own is one of them, without its labels."""
    animals = [
        asked_views(session, task, window) for session, task in zip(sessions, tasks, strict=True)
    ]
    found = train_trunk(animals, len(tasks[-1].classes), seed, device)
    session, task = sessions[-1], tasks[-1]
    counts = count_session(session, task.onsets_us, window)
    fold = chronological_fold(task, train_share)
    grey = grey_windows(session, window).before_or_far_from(task, fold)
    view = unlabelled_view(counts[fold.train], grey, session.units)
    module = classifier(found.trunk, found.temperature, view)
    outcome = Outcome(fold.test, task.codes()[fold.test], predict(module, counts[fold.test]))
    return module, summarise(outcome), found.temperature


def _train_read_in(
    sessions: Sequence[Session],
    tasks: Sequence[Task],
    window: WindowSpec,
    train_share: float,
    seed: int,
    device: str,
) -> tuple[torch.nn.Module, dict[str, float], float]:
    """All trials of the others train, and the first share of the last animal's."""
    n = len(tasks[-1].classes)
    white, scalings = [], []
    for session, task in zip(sessions, tasks, strict=True):
        counts = count_session(session, task.onsets_us, window)
        grey = grey_windows(session, window).counts
        rows = np.arange(len(task))
        if session is sessions[-1]:
            fold = chronological_fold(task, train_share)
            rows = fold.train
            grey = grey_windows(session, window).before_or_far_from(task, fold)
        codes = task.codes()[rows]
        scaling = whitening(counts[rows], codes, n, grey)
        white.append((scaling.apply(whole(counts[rows])), codes))
        scalings.append(scaling)
    trunk, layers = train_read_in(white, n, seed, device)
    weight = layers[-1].weight.detach().double().numpy().T
    bias = layers[-1].bias.detach().double().numpy()
    # The last animal's kept-out trials are asked; its temperature is of its training trials.
    temperature = fit_temperature(trunk_logits(trunk, white[-1][0] @ weight + bias), white[-1][1])
    module = ReadInClassifier(trunk, *unwhitened(scalings[-1], weight, bias), temperature).eval()
    asked = chronological_fold(tasks[-1], train_share).test
    windows = count_session(sessions[-1], tasks[-1].onsets_us[asked], window)
    outcome = Outcome(asked, tasks[-1].codes()[asked], predict(module, windows))
    return module, summarise(outcome), temperature


def _train_kinds(
    sessions: Sequence[Session],
    tasks: Sequence[Task],
    window: WindowSpec,
    train_share: float,
    seed: int,
    device: str,
) -> tuple[torch.nn.Module, dict[str, float], float]:
    """Of all trials of the others, and of the first share of the last animal's."""
    animals = [
        animal_of(session, task, window) for session, task in zip(sessions, tasks, strict=True)
    ]
    last = animals[-1]
    fold = chronological_fold(tasks[-1], train_share)
    with Console(stderr=True).status(f"sorting the units of {len(animals)} animals into kinds"):
        learnt = learn_shared([*animals[:-1], last.take(fold.train)])
        module = fit_with_kinds(*learnt, last.calibrated_on(fold.train)).eval()
    outcome = Outcome(fold.test, last.codes[fold.test], predict(module, last.counts[fold.test]))
    return module, summarise(outcome), 1.0
