"""A decoder for a new animal from a few trials a class and another animal's bundle.

The new animal has other units, so nothing of the old decoder's weights fits.
What passes over is how alike the classes are (`offline.geometry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from offline.geometry import class_geometry, fit_with_geometry, shared_geometry
from offline.models.calibration import Float64Array
from offline.models.data import TrainingData, time_groups
from offline.models.linear import fit_lda
from offline.models.registry import predict
from offline.protocol import Outcome, summarise
from rtdecode.bundle import BundleInfo, SessionUsed, file_sha256, load_bundle, save_bundle
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.session.model import Session
from rtdecode.tasks import Task, apply_rule
from rtdecode.windows import WindowSpec

CURVE_TRIALS = (1, 2, 5, 10, 20, 40)


@dataclass(frozen=True)
class TransferResult:
    """A bundle's description and its figures on the trials that were not used."""

    info: BundleInfo
    metrics: dict[str, float]


def first_trials(codes: NDArray[np.int64], n_classes: int, per_class: int) -> NDArray[np.int64]:
    """Rows of the first ``per_class`` trials of each class, in order of time.

    Raises
    ------
    UserError
        If a class has fewer.
    """
    number = np.bincount(codes[codes >= 0], minlength=n_classes)
    if per_class < 1 or number.min() < per_class:
        raise UserError(
            f"expected at least {per_class} (and 1) trials of every class, found as few as "
            f"{number.min()}: use fewer --trials-per-class"
        )
    rows = [np.flatnonzero(codes == c)[:per_class] for c in range(n_classes)]
    return np.sort(np.concatenate(rows))


def transfer(
    donor: BundleInfo,
    session: Session,
    per_class: int,
    *,
    seed: int = 0,
    session_path: str | Path | None = None,
) -> tuple[torch.nn.Module, TransferResult]:
    """Fit a donor's task to another animal.

    Raises
    ------
    UserError
        If the session lacks the task, its classes or trials, or the donor its geometry.
    """
    if not donor.class_geometry:
        raise UserError("the bundle holds no class geometry: train it anew with rtdecode train")
    task = apply_rule(session, donor.label_rule)
    missing = sorted(set(donor.classes) - set(task.classes))
    if missing:
        raise UserError(
            f"the bundle has {len(donor.classes)} classes, session {session.name} lacks "
            f"{', '.join(missing[:5])}: train on this session instead"
        )
    task = task.take(task.codes(donor.classes) >= 0)
    counts = count_session(session, task.onsets_us, donor.window)
    codes = task.codes(donor.classes)
    rows = first_trials(codes, len(donor.classes), per_class)
    geometry = np.array(donor.class_geometry)
    module, share = fit_with_geometry(counts[rows], codes[rows], len(donor.classes), geometry, seed)
    metrics = _measure_rest(task, counts, codes, rows, module)
    metrics |= {"trials_per_class": float(per_class), "geometry_share": share}
    info = donor.model_copy(
        update={
            "model": "geometry",
            "unit_ids": tuple(session.units.ids.tolist()),
            "unit_areas": tuple(session.units.areas.tolist()),
            "steps": (),
            "decide_at": None,
            "sessions": (*donor.sessions, _used(session, task, rows, session_path)),
            "split": f"first {per_class} trials a class",
            "metrics": metrics,
        }
    )
    return module, TransferResult(info, metrics)


def _used(
    session: Session, task: Task, rows: NDArray[np.int64], path: str | Path | None
) -> SessionUsed:
    return SessionUsed(
        name=session.name,
        sha256=file_sha256(path) if path else "",
        last_training_onset_us=int(task.onsets_us[rows[-1]]),
    )


def _measure_rest(
    task: Task,
    counts: NDArray[np.uint16],
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    module: torch.nn.Module,
) -> dict[str, float]:
    """Figures on what comes after the last calibration trial."""
    rest = np.flatnonzero(task.onsets_us > task.onsets_us[rows[-1]])
    if len(rest) == 0:
        raise UserError(
            "no trial comes after the calibration trials to measure on: use fewer "
            "--trials-per-class"
        )
    return summarise(Outcome(rest, codes[rest], predict(module, counts[rest])))


def transfer_bundle(
    bundle: Path,
    session: Session,
    per_class: int,
    out: Path,
    *,
    session_path: Path | None = None,
    seed: int = 0,
    force: bool = False,
) -> TransferResult:
    """`transfer` from a bundle file, written as another bundle."""
    check_writable(out, force)
    donor = load_bundle(bundle)[1]
    module, result = transfer(donor, session, per_class, seed=seed, session_path=session_path)
    save_bundle(module, result.info, out, force=force)
    return result


@dataclass(frozen=True, eq=False)
class Animal:
    """One animal's trials of a task: counts (n, bins, units), codes (n,)."""

    name: str
    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]


def animal_of(session: Session, task: Task, window: WindowSpec) -> Animal:
    """An animal's counts and labels."""
    counts = count_session(session, task.onsets_us, window)
    return Animal(session.name, counts, task.codes(), task.classes)


def learning_curve(
    animal: Animal, donors: list[Animal], trials: tuple[int, ...] = CURVE_TRIALS
) -> list[dict[str, Any]]:
    """Accuracy on an animal's last fifth from k trials a class, in three ways.

    ``lda`` and ``own`` (the same prior without any donor) start from scratch;
    ``geometry`` has the mean geometry of the donors.
    """
    n = len(animal.classes)
    cut = round(len(animal.codes) * 0.8)
    early, truth = animal.codes[:cut], animal.codes[cut:]
    shared = shared_geometry([class_geometry(d.counts, d.codes, n) for d in donors])
    rows_of = {k: _rows_or_none(early, n, k) for k in trials}
    found = []
    for k, rows in rows_of.items():
        if rows is None:
            continue
        data = TrainingData(animal.counts[rows], early[rows], n, time_groups(len(rows), min(5, k)))
        modules = {
            "own": fit_with_geometry(data.counts, data.codes, n, None)[0],
            "geometry": fit_with_geometry(data.counts, data.codes, n, shared)[0],
        }
        if k > 1:
            modules["lda"] = fit_lda(data)
        for name, module in modules.items():
            right = predict(module, animal.counts[cut:]).argmax(axis=1) == truth
            found.append({"k": k, "way": name, "accuracy": float(right.mean())})
    return found


def _rows_or_none(codes: NDArray[np.int64], n: int, k: int) -> NDArray[np.int64] | None:
    """The first k trials of each class; None where a class has fewer."""
    if np.bincount(codes, minlength=n).min() < k:
        return None
    return first_trials(codes, n, k)


def trials_saved(curve: dict[int, dict[str, float]], k: int) -> float:
    """How many times k trials a class the best from-scratch way needs to be as good.

    Parameters
    ----------
    curve : dict of int to dict of str to float
        Accuracy by trials a class and way.
    k : int

    Returns
    -------
    float
        Interpolated in the logarithm of the trials; NaN beyond the curve.
    """
    ks = sorted(curve)
    scratch = np.maximum.accumulate(
        [max(v for name, v in curve[n].items() if name != "geometry") for n in ks]
    )
    reached: Float64Array = np.log(np.array(ks, np.float64))
    needed = np.interp(curve[k]["geometry"], scratch, reached, left=np.nan, right=np.nan)
    return float(np.exp(needed) / k)
