"""A decoder for a new animal from other animals' bundle and a few trials a class, or none.

The new animal has other units, so nothing of the old decoder's weights fits.
What passes over is how alike the classes are (`offline.geometry`), what kinds of
units there are (`offline.unit_kinds`), a trunk behind a new read-in layer
(`offline.models.read_in`), or, without any label, a network over features of
units (`offline.models.unit_set`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from offline.animals import Animal, NewAnimal, animal_of, first_trials
from offline.geometry import fit_with_geometry
from offline.kinds_decoder import fit_with_kinds, kinds_of
from offline.models.calibration import Float64Array
from offline.models.read_in import ReadInClassifier, fine_tune, fit_read_in, trunk_of
from offline.models.registry import predict
from offline.protocol import Outcome, summarise
from offline.whitening import Whitening, whitening, whole
from offline.zero_shot import classifier, unlabelled_view
from rtdecode.bundle import BundleInfo, SessionUsed, file_sha256, load_bundle, save_bundle
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.session.model import Session
from rtdecode.tasks import Task, apply_rule

Method = Literal["geometry", "unit-kinds", "read-in", "fine-tuning", "zero-shot"]
METHODS: tuple[Method, ...] = ("geometry", "unit-kinds", "read-in", "fine-tuning", "zero-shot")
UNIT_SET, READ_IN, UNIT_KINDS = "unit-set", "read-in", "unit-kinds"


@dataclass(frozen=True)
class TransferResult:
    """A bundle's description and its figures on the trials that were not used."""

    info: BundleInfo
    metrics: dict[str, float]


def method_of(donor: BundleInfo, wanted: str) -> Method:
    """The way that was asked for, or the one that a bundle's model is made for.

    Raises
    ------
    UserError
        If there is no such way, or the bundle is not made for it.
    """
    ways: dict[str, tuple[Method, ...]] = {
        UNIT_SET: ("zero-shot",),
        READ_IN: ("read-in", "fine-tuning"),
        UNIT_KINDS: ("unit-kinds",),
    }
    possible = ways.get(donor.model, ("geometry",))
    if not wanted:
        return possible[0]
    if wanted not in METHODS:
        raise UserError(f"a method is one of {', '.join(METHODS)}; found {wanted!r}")
    if wanted not in possible:
        model = next((model for model, offered in ways.items() if wanted in offered), "lda")
        raise UserError(
            f"method {wanted} needs a bundle of rtdecode train --model {model}; this one is of "
            f"model {donor.model}, which offers {', '.join(possible)}"
        )
    return wanted


def transfer(
    donor: BundleInfo,
    session: Session,
    per_class: int,
    *,
    module: torch.nn.Module | None = None,
    method: str = "",
    unlabelled_share: float = 0.6,
    seed: int = 0,
    session_path: str | Path | None = None,
) -> tuple[torch.nn.Module, TransferResult]:
    """Fit a donor's task to another animal.

    Parameters
    ----------
    donor : BundleInfo
    session : Session
    per_class : int
        Trials of each class that calibrate; zero-shot uses none.
    module : nn.Module or None
        The donor's, for all ways but geometry.
    method : {"", "geometry", "read-in", "fine-tuning", "zero-shot"}
    unlabelled_share : float
        First share of the presentations that zero-shot looks at, without labels.
    seed : int
    session_path : path or None

    Raises
    ------
    UserError
        If the session lacks the task, its classes or trials, or the donor what the way needs.
    """
    way = method_of(donor, method)
    task = _task_of(donor, session)
    animal = animal_of(session, task, donor.window, donor.classes)
    if way == "zero-shot":
        rows = np.arange(_share(len(task), unlabelled_share))
    else:
        rows = first_trials(animal.codes, len(donor.classes), per_class)
    new = animal.calibrated_on(rows)
    extra: dict[str, float] = {}
    if way == "zero-shot":
        view = unlabelled_view(new.counts, new.grey, session.units)
        fitted: torch.nn.Module = classifier(_shared(module), donor.temperature, view)
        split = f"no labels, windows of the first {unlabelled_share:.0%}"
    else:
        fitted, extra = fit_calibrated(way, donor, module, new, seed)
        split = f"first {per_class} trials a class"
        extra["trials_per_class"] = float(per_class)
    metrics = _measure_rest(animal, rows, fitted) | extra
    used = SessionUsed(
        name=session.name,
        sha256=file_sha256(session_path) if session_path else "",
        last_training_onset_us=int(task.onsets_us[rows[-1]]),
    )
    info = donor.model_copy(
        update={
            "model": way if way == "geometry" else donor.model,
            "unit_ids": tuple(session.units.ids.tolist()),
            "unit_areas": tuple(session.units.areas.tolist()),
            "steps": (),
            "decide_at": None,
            "sessions": (*donor.sessions, used),
            "split": split,
            "metrics": metrics,
        }
    )
    return fitted, TransferResult(info, metrics)


def _task_of(donor: BundleInfo, session: Session) -> Task:
    """The donor's task in another session."""
    task = apply_rule(session, donor.label_rule)
    missing = sorted(set(donor.classes) - set(task.classes))
    if missing:
        raise UserError(
            f"the bundle has {len(donor.classes)} classes, session {session.name} lacks "
            f"{', '.join(missing[:5])}: train on this session instead"
        )
    return task.take(task.codes(donor.classes) >= 0)


def _share(n: int, share: float) -> int:
    """How many of n windows a share is."""
    found = round(n * share)
    if not 0 < found < n:
        raise UserError(
            f"expected --unlabelled-share between 0 and 1 that leaves windows on both sides, "
            f"found {share:g} of {n}: give one, as 0.6"
        )
    return found


def _shared(module: torch.nn.Module | None) -> torch.nn.Module:
    """The part of a bundle's module that animals share."""
    shared = getattr(module, "shared", None)
    if shared is None:
        raise UserError("the bundle holds no part to share: train it anew with rtdecode train")
    return cast(torch.nn.Module, shared)


def fit_calibrated(
    way: Method,
    donor: BundleInfo,
    module: torch.nn.Module | None,
    new: NewAnimal,
    seed: int = 0,
) -> tuple[torch.nn.Module, dict[str, float]]:
    """A module from calibration trials, and figures of the way."""
    if way == "geometry":
        if not donor.class_geometry:
            raise UserError("the bundle holds no class geometry: train it anew with rtdecode train")
        geometry = np.array(donor.class_geometry)
        found, share = fit_with_geometry(
            new.counts, new.codes, new.n_classes, geometry, seed, grey=new.grey
        )
        return found, {"geometry_share": share}
    shared = _shared(module)
    if way == "unit-kinds":
        return fit_with_kinds(*kinds_of(shared), new), {}
    return fit_behind(shared, new, tuned=way == "fine-tuning", seed=seed), {}


def fit_behind(
    shared: torch.nn.Module, new: NewAnimal, *, tuned: bool, seed: int = 0
) -> ReadInClassifier:
    """A read-in before a trunk; with ``tuned`` both are then trained further."""
    scaling = whitening(new.counts, new.codes, new.n_classes, new.grey)
    z = scaling.apply(whole(new.counts))
    weight, bias, temperature = fit_read_in(shared, z, new.codes)
    if tuned:
        shared, weight, bias = fine_tune(
            trunk_of(shared.state_dict()), weight, bias, z, new.codes, seed
        )
    return ReadInClassifier(shared, *unwhitened(scaling, weight, bias), temperature)


def unwhitened(
    scaling: Whitening, weight: Float64Array, bias: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """A layer of whitened counts as one of raw counts."""
    raw = scaling.matrix @ weight
    return raw, bias - scaling.centre @ raw


def _measure_rest(
    animal: Animal, rows: NDArray[np.int64], module: torch.nn.Module
) -> dict[str, float]:
    """Figures on what comes after the last calibration trial."""
    rest = np.flatnonzero(animal.onsets_us > animal.onsets_us[rows[-1]])
    if len(rest) == 0:
        raise UserError(
            "no trial comes after the calibration trials to measure on: use fewer "
            "--trials-per-class"
        )
    return summarise(Outcome(rest, animal.codes[rest], predict(module, animal.counts[rest])))


def transfer_bundle(
    bundle: Path,
    session: Session,
    per_class: int,
    out: Path,
    *,
    method: str = "",
    unlabelled_share: float = 0.6,
    session_path: Path | None = None,
    seed: int = 0,
    force: bool = False,
) -> TransferResult:
    """`transfer` from a bundle file, written as another bundle."""
    check_writable(out, force)
    module, donor = load_bundle(bundle)
    fitted, result = transfer(
        donor,
        session,
        per_class,
        module=module,
        method=method,
        unlabelled_share=unlabelled_share,
        seed=seed,
        session_path=session_path,
    )
    save_bundle(fitted, result.info, out, force=force)
    return result


def trials_saved(curve: dict[int, dict[str, float]], k: int, way: str = "geometry") -> float:
    """How many times k trials a class the best from-scratch way needs to be as good.

    Parameters
    ----------
    curve : dict of int to dict of str to float
        Accuracy by trials a class and way; ways from scratch are all but `TRANSFERS`.
    k : int
    way : str

    Returns
    -------
    float
        Interpolated in the logarithm of the trials; NaN beyond the curve.
    """
    ks = sorted(curve)
    scratch = np.maximum.accumulate(
        [max(v for name, v in curve[n].items() if name not in TRANSFERS) for n in ks]
    )
    reached: Float64Array = np.log(np.array(ks, np.float64))
    needed = np.interp(curve[k][way], scratch, reached, left=np.nan, right=np.nan)
    return float(np.exp(needed) / k)


TRANSFERS: tuple[Any, ...] = ("unit-kinds", "geometry", "read-in", "fine-tuning")
