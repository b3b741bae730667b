"""Calibrate on the rig: a new animal's decoder, fitted while its trials arrive.

Listens to the live streams beside whatever else does, collects labelled windows
with the decoder's own engine, and measures what they would give so far in a
process of its own, so that no window is missed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from rich.console import Console

from offline.animals import NewAnimal
from offline.geometry import fit_with_geometry
from offline.kinds_decoder import (
    KindsClassifier,
    SharedKinds,
    Shown,
    fit_with_kinds,
    kinds_in,
)
from offline.live_trials import LiveTrials, Trials
from offline.models.calibration import Doubt
from offline.models.data import TrainingData
from offline.models.linear import LinearClassifier, LinearMap, fit_lda
from offline.models.registry import predict
from offline.protocol import Outcome, summarise
from offline.transfer import UNIT_KINDS
from offline.unit_kinds import UnitKinds
from rtdecode import control
from rtdecode.bundle import BundleInfo, SessionUsed, load_bundle, save_bundle
from rtdecode.errors import UserError
from rtdecode.files import check_writable
from rtdecode.live_settings import LiveSettings
from rtdecode.stop_signals import on_stop_signals

FOLDS = 5
NICE = 10
GEOMETRY, LDA, BLANK = "geometry", "lda", "blank"
SWAP_S = 60.0


@dataclass(frozen=True)
class CalibrationSettings:
    """What is asked for.

    Attributes
    ----------
    per_class : int
        Trials of each class to wait for; 0 for a bundle that knows nothing yet.
    from_scratch : bool
        A linear model of this animal's trials alone, nothing of the donors'.
    listen : LiveSettings
        The streams, markers and treatment of time, as a decoder's.
    swap : bool
        Put the new bundle in the place of the one that a decoder runs.
    decoder : str
        Its name; empty for the only one that runs.
    seed : int
    force : bool
    """

    per_class: int
    from_scratch: bool = False
    listen: LiveSettings = field(default_factory=LiveSettings)
    swap: bool = False
    decoder: str = ""
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be fitted: trials, and what other animals tell of the classes or units."""

    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]
    n_classes: int
    geometry: NDArray[np.float64] | None
    seed: int
    areas: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    kinds: tuple[UnitKinds, Shown] | None = None

    def fit(self, rows: NDArray[np.int64]) -> torch.nn.Module:
        """A decoder from these trials."""
        counts, codes = self.counts[rows], self.codes[rows]
        if self.kinds is not None:
            grey = np.empty((0, *counts.shape[1:]), np.uint16)
            new = NewAnimal(counts, codes, grey, self.n_classes, self.areas)
            return fit_with_kinds(*self.kinds, new)
        if self.geometry is None:
            folds = folds_of(codes, self.n_classes)
            return fit_lda(TrainingData(counts, codes, self.n_classes, folds), self.seed)
        return fit_with_geometry(counts, codes, self.n_classes, self.geometry, self.seed)[0]

    def measure(self) -> dict[str, float]:
        """Accuracy and calibration of trials that were left out, each class in every fit."""
        folds = folds_of(self.codes, self.n_classes)
        rows, parts = [], []
        for fold in range(folds.max() + 1):
            held = np.flatnonzero(folds == fold)
            parts.append(predict(self.fit(np.flatnonzero(folds != fold)), self.counts[held]))
            rows.append(held)
        order = np.concatenate(rows)
        return summarise(Outcome(order, self.codes[order], np.concatenate(parts)))


def folds_of(codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Fold of each trial, (n,) int64: stretches of a class's own trials, in order of time.

    A class with two trials or more is in every fit; what drifts between its
    first and last trials is in the measure.
    """
    number = np.bincount(codes, minlength=n_classes)
    n_folds = max(2, min(FOLDS, int(number.min())))
    ranks = np.zeros(len(codes), np.int64)
    for code in range(n_classes):
        mine = codes == code
        ranks[mine] = np.arange(mine.sum()) * n_folds // max(1, number[code])
    return ranks


class Worker:
    """Measures in a process of its own, the newest problem next."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_step_back)
        self._pool.submit(_step_back)  # to be there, with all that it imports, before the trials
        self._running: Future[dict[str, float]] | None = None
        self._trials = 0
        self._is_there = True

    def wants(self, trials: int) -> bool:
        """Whether nothing is being measured and so many trials are more than were."""
        return self._is_there and self._running is None and trials > self._trials

    def measure(self, problem: Problem) -> None:
        """Measure this; it must be wanted."""
        self._trials = len(problem.codes)
        self._running = self._pool.submit(Problem.measure, problem)

    def result(self) -> dict[str, float] | None:
        """What was measured since the last look; None where nothing is ready."""
        if self._running is None or not self._running.done():
            return None
        measured, self._running = self._running, None
        try:
            return measured.result()
        except BrokenExecutor:  # killed, for want of memory: trials go on, measured at the end
            self._is_there = False
            return None

    def close(self) -> None:
        """End the process, whatever it is at: at its low priority it may be long."""
        for child in active_children():
            child.kill()
        self._pool.shutdown(cancel_futures=True)


def _step_back() -> None:
    """A decoder may run beside us."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    me = psutil.Process()
    me.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", NICE))


@dataclass
class Calibration:
    """One calibration from its first trial to its bundle.

    Attributes
    ----------
    donor : BundleInfo
    settings : CalibrationSettings
    tell : callable
        Given a line whenever there is news.
    kinds : tuple of UnitKinds and Shown, or None
        Of the donor's animals, where it knows any.
    """

    donor: BundleInfo
    settings: CalibrationSettings
    tell: Callable[[str], None]
    kinds: tuple[UnitKinds, Shown] | None = None
    stopping: bool = field(default=False, init=False)

    def collect(self) -> LiveTrials | None:
        """Trials until there are enough of each class; None where told to stop before a stream."""
        if not self.settings.per_class:
            return self._open()
        with closing(Worker()) as worker:
            live = self._open()
            if live is not None:
                self._listen(live, worker)
        return live

    def _open(self) -> LiveTrials | None:
        return LiveTrials.open(self.donor, self.settings.listen, self._goes_on, self.tell)

    def _listen(self, live: LiveTrials, worker: Worker) -> None:
        """Until there are enough trials."""
        shown = 0
        while not (self.stopping or live.ended or self._enough(live.trials)):
            live.pull()
            # Fifty times a second: a problem is a copy of all trials.
            if worker.wants(len(live.trials)) and self._is_measurable(live.trials):
                worker.measure(self._problem(live))
            found = worker.result()
            if found is not None or len(live.trials) != shown:
                shown = len(live.trials)
                self.tell(self._progress(live, found))

    def finish(self, live: LiveTrials) -> tuple[torch.nn.Module, dict[str, float]]:
        """A decoder from all trials, and its figures on those left out in turn.

        Where no trial was asked for, one to which every class is as likely, without figures.

        Raises
        ------
        UserError
            If there are too few.
        """
        trials = live.trials
        fewest = int(self._numbers(trials).min())
        if not self.settings.per_class:
            return self._blank(len(live.unit_ids)), {}
        if not self._is_measurable(trials):
            raise UserError(
                f"expected two trials of each of the {len(self.donor.classes)} classes at least, "
                f"found as few as {fewest} when it ended: go on for longer, nothing is written"
            )
        problem = self._problem(live)
        metrics = problem.measure() | {"trials_per_class": float(fewest)}
        return problem.fit(np.arange(len(trials))), metrics

    def _blank(self, n_units: int) -> torch.nn.Module:
        classes, features = len(self.donor.classes), self.donor.window.n_bins * n_units
        if self.kinds is not None:
            nothing = LinearMap(np.zeros((classes, n_units)), np.zeros(classes))
            return KindsClassifier(SharedKinds(*self.kinds), nothing, Doubt(1.0, 0.0))
        return LinearClassifier(np.zeros((classes, features)), np.zeros(classes))

    def info(self, live: LiveTrials, metrics: dict[str, float]) -> BundleInfo:
        """What the new bundle says of itself."""
        update: dict[str, object] = {
            "model": BLANK,
            "split": "fitted to nothing",
            "unit_ids": live.unit_ids,
            "unit_areas": live.unit_areas,
            "steps": (),
            "decide_at": None,
            "temperature": 1.0,
            "metrics": metrics,
        }
        return self.donor.model_copy(update=update | (self._fitted(live) if metrics else {}))

    def _fitted(self, live: LiveTrials) -> dict[str, object]:
        trials = live.trials
        used = SessionUsed(name=live.session, last_training_onset_us=max(trials.onsets_us))
        return {
            "model": self._model(),
            "sessions": (*self.donor.sessions, used),
            "split": f"calibrated live on {len(trials)} trials, measured leaving some out in turn",
        }

    def _goes_on(self) -> bool:
        return not self.stopping

    def _model(self) -> str:
        if self._kinds() is not None:
            return UNIT_KINDS
        return LDA if self._geometry() is None else GEOMETRY

    def _kinds(self) -> tuple[UnitKinds, Shown] | None:
        return None if self.settings.from_scratch else self.kinds

    def _geometry(self) -> NDArray[np.float64] | None:
        geometry = self.donor.class_geometry
        return None if self.settings.from_scratch or not geometry else np.array(geometry)

    def _numbers(self, trials: Trials) -> NDArray[np.int64]:
        return np.bincount(np.array(trials.codes, np.int64), minlength=len(self.donor.classes))

    def _enough(self, trials: Trials) -> bool:
        return int(self._numbers(trials).min()) >= self.settings.per_class

    def _is_measurable(self, trials: Trials) -> bool:
        return int(self._numbers(trials).min()) >= 2

    def _problem(self, live: LiveTrials) -> Problem:
        counts, codes = live.trials.arrays()
        n = len(self.donor.classes)
        areas = np.array(live.unit_areas, np.str_)
        seed, kinds = self.settings.seed, self._kinds()
        return Problem(counts, codes, n, self._geometry(), seed, areas, kinds)

    def _progress(self, live: LiveTrials, found: dict[str, float] | None) -> str:
        trials, left_out = live.trials, live.incomplete
        numbers = self._numbers(trials)
        text = f"{len(trials)} trials, {numbers.min()} to {numbers.max()} a class"
        if left_out:
            text += f", {left_out} left out for missing spikes"
        if found is None:
            return text
        return (
            f"{text}; {found['accuracy']:.1%} of {found['trials']:.0f} left out in turn are right "
            f"(chance {found['chance']:.1%})"
        )


def calibrate(
    bundle: Path, out: Path, settings: CalibrationSettings, tell: Callable[[str], None]
) -> dict[str, float] | None:
    """Calibrate from live streams, write the bundle, and let a running decoder take it.

    Returns
    -------
    dict of str to float or None
        The new bundle's figures, none of one that knows nothing; None where it was
        stopped before any stream came.

    Raises
    ------
    UserError
        If there were too few trials, the streams tell no units, a file is there,
        or the running decoder refuses the bundle.
    """
    check_writable(out, settings.force)
    if settings.per_class < 0 or settings.per_class == 1:
        raise UserError(
            f"expected --trials-per-class of 2 or more, found {settings.per_class}: one is fitted "
            "while the other is left out to measure; or 0, for a bundle that knows nothing yet"
        )
    module, donor = load_bundle(bundle)
    calibration = Calibration(donor, settings, tell, kinds_in(module))

    def stop() -> None:
        calibration.stopping = True

    with on_stop_signals(stop):
        live = calibration.collect()
    if live is None:
        return None
    module, metrics = calibration.finish(live)
    save_bundle(module, calibration.info(live, metrics), out, force=settings.force)
    if settings.swap:
        _swap(out, settings.decoder)
    return metrics


def _swap(out: Path, decoder: str) -> None:
    try:
        control.send(decoder, "swap", SWAP_S, bundle=str(out.absolute()))
    except UserError as error:
        raise UserError(f"{out} is written, but no decoder took it: {error}") from error


def calibrate_live(
    bundle: Path, out: Path, settings: CalibrationSettings, figures: Path | None = None
) -> str:
    """`calibrate` as the command line asks for it: what to say at the end.

    Raises
    ------
    UserError
        As `calibrate`.
    """
    if figures is not None:
        check_writable(figures, settings.force)
    console = Console(stderr=True, emoji=False)
    metrics = calibrate(bundle, out, settings, lambda line: console.print(line, highlight=False))
    if figures is not None and metrics is not None:
        figures.write_text(json.dumps(metrics, indent=1) + "\n")
    if metrics is None:
        return "stopped before there was a stream: nothing is written"
    if not metrics:
        return (
            f"wrote {out}, to which every class is as likely: decode with it, then "
            f"rtdecode calibrate {out} --out NEW.pt --swap"
        )
    return (
        f"wrote {out}\n{metrics['accuracy']:.1%} of {metrics['trials']:.0f} trials left out in "
        f"turn (chance {metrics['chance']:.1%}), calibration error "
        f"{metrics['calibration_error']:.3f}{', decoding with it' if settings.swap else ''}"
    )
