"""A decoder for an animal without one label of it: a set network over its units.

Trained on several animals. In each, a stretch of time is asked with unit
features and scales from the other stretches, so that the network meets drift as
it will in use. Every stretch holds all classes: if one block of a single class
were left out, what remains would tell by its own mean which class is missing.
A new animal gives windows without labels alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from offline.grey import grey_windows
from offline.models.calibration import Float64Array, fit_temperature, smoothed_loss
from offline.models.data import time_groups
from offline.models.unit_set import UnitSetClassifier, UnitSetTrunk, bases_of
from offline.unit_features import unit_features
from rtdecode.counts import count_session
from rtdecode.errors import UserError
from rtdecode.session.model import Session, Units
from rtdecode.splits import Fold
from rtdecode.tasks import Task
from rtdecode.windows import WindowSpec

STEPS, LOOK_EVERY, PATIENCE = 2400, 200, 4
RATE, DECAY, SMOOTHING, FEATURE_NOISE = 2e-3, 1e-2, 0.02, 0.1
ROWS = 48
# Asked windows of a view that are kept: enough to draw from.
MOST_ROWS = 600
LEAST_UNITS = 0.4
HELD_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class UnlabelledView:
    """An animal's units as windows without labels show them.

    Attributes
    ----------
    features : (units, features) float32
    centre, scale : (bins, units) float32
        Mean and spread of the counts.
    """

    features: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AskedView:
    """A view, and windows that it was not made from: counts (n, bins, units), codes (n,)."""

    view: UnlabelledView
    counts: NDArray[np.uint16]
    codes: NDArray[np.int64]


def unlabelled_view(
    counts: NDArray[np.uint16], grey: NDArray[np.uint16], units: Units
) -> UnlabelledView:
    """What windows in order of time, and grey, tell of the units."""
    scale = counts.std(axis=0) + 0.1
    return UnlabelledView(
        unit_features(counts, grey, units),
        counts.mean(axis=0).astype(np.float32),
        scale.astype(np.float32),
    )


def asked_views(session: Session, task: Task, window: WindowSpec) -> list[AskedView]:
    """One view for each stretch of time kept out."""
    counts = count_session(session, task.onsets_us, window)
    grey = grey_windows(session, window).counts
    codes = task.codes()
    groups = stretches(task)
    views = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int)]
        view = unlabelled_view(counts[groups != group], grey, session.units)
        views.append(AskedView(view, counts[rows], codes[rows]))
    return views


def stretches(task: Task) -> NDArray[np.int64]:
    """Number of the stretch of time each trial lies in, (n,) int64.

    A stretch is as few successive blocks as hold all classes; where there are
    not two such stretches, a fifth of the trials.
    """
    codes, n_classes = task.codes(), len(task.classes)
    groups = np.zeros(len(task), np.int64)
    number, seen = 0, np.empty(0, np.int64)
    order = sorted(np.unique(task.blocks).tolist(), key=lambda b: np.argmax(task.blocks == b))
    for block in order:
        mine = task.blocks == block
        groups[mine] = number
        seen = np.union1d(seen, codes[mine])
        if len(seen) == n_classes:
            number, seen = number + 1, np.empty(0, np.int64)
    # What is left at the end is no stretch of its own.
    groups = np.minimum(groups, max(number - 1, 0))
    return groups if number > 1 else time_groups(len(task))


def stretch_folds(task: Task) -> list[Fold]:
    """Leave one stretch out."""
    groups = stretches(task)
    return [
        Fold(f"stretch {g}", np.flatnonzero(groups != g), np.flatnonzero(groups == g))
        for g in np.unique(groups).tolist()
    ]


@dataclass(frozen=True, eq=False)
class TrainedTrunk:
    """A shared network, its temperature, and its accuracy on animals that did not train it."""

    trunk: UnitSetTrunk
    temperature: float
    accuracy: float


def train_trunk(
    animals: Sequence[list[AskedView]], n_classes: int, seed: int = 0, device: str = "cpu"
) -> TrainedTrunk:
    """Train the shared network; the last quarter of the animals says when to stop.

    Raises
    ------
    UserError
        If there is one animal alone.
    """
    if len(animals) < 2:
        raise UserError(
            "a unit-set model learns from animals what a new one shares with them: expected two "
            f"sessions or more, found {len(animals)}"
        )
    held_n = max(round(len(animals) * HELD_SHARE), 1)
    training, held = animals[:-held_n], animals[-held_n:]
    features = np.concatenate([asked.view.features for views in training for asked in views])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk = UnitSetTrunk(features, training[0][0].counts.shape[1], n_classes).to(device)
        _train(trunk, training, held, n_classes, np.random.default_rng(seed))
    trunk = trunk.cpu().eval()
    logits, codes = _ask(trunk, held)
    accuracy = float((logits.argmax(axis=1) == codes).mean())
    return TrainedTrunk(trunk, fit_temperature(logits, codes), accuracy)


def _train(
    trunk: UnitSetTrunk,
    training: Sequence[list[AskedView]],
    held: Sequence[list[AskedView]],
    n_classes: int,
    generator: np.random.Generator,
) -> None:
    """Train in place; the weights that are best on the held animals remain."""
    trained = [p for p in trunk.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    best, best_step, state = np.inf, 0, trunk.state_dict()
    for step in track(range(1, STEPS + 1), "training on animals", transient=True):
        trunk.train()
        views = training[generator.integers(len(training))]
        loss = torch.stack(
            [_loss(trunk, views, code, generator) for code in range(n_classes)]
        ).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % LOOK_EVERY:
            continue
        measured = smoothed_loss(*_ask(trunk, held))
        if measured < best:
            best, best_step = measured, step
            state = {name: value.clone() for name, value in trunk.state_dict().items()}
        elif step - best_step >= PATIENCE * LOOK_EVERY:
            break
    trunk.load_state_dict(state)


def _loss(
    trunk: UnitSetTrunk, views: list[AskedView], code: int, generator: np.random.Generator
) -> torch.Tensor:
    """Loss of some windows of a class from a view that was not made from them."""
    having = [asked for asked in views if (asked.codes == code).any()]
    asked = having[generator.integers(len(having))]
    rows = generator.choice(np.flatnonzero(asked.codes == code), ROWS)
    number = asked.counts.shape[2]
    share = generator.uniform(LEAST_UNITS, 1.0)
    units = np.flatnonzero(generator.random(number) < share)
    if len(units) == 0:
        units = np.arange(number)
    device = trunk.centre.device
    bases = _bases(asked, rows, units).to(device)
    features = torch.from_numpy(asked.view.features[units]).to(device)
    features = features + FEATURE_NOISE * trunk.scale * torch.randn_like(features)
    logits: torch.Tensor = trunk(features, bases)
    truth = torch.full((len(rows),), code, device=device)
    return nn.functional.cross_entropy(logits, truth, label_smoothing=SMOOTHING)


def _bases(asked: AskedView, rows: NDArray[np.int64], units: NDArray[np.int64]) -> torch.Tensor:
    """What the network sees of these windows and units."""
    counts = torch.from_numpy(asked.counts[rows][:, :, units].astype(np.float32))
    centre = torch.from_numpy(asked.view.centre[:, units])
    return bases_of(counts, centre, torch.from_numpy(asked.view.scale[:, units]))


def _ask(
    trunk: UnitSetTrunk, animals: Sequence[list[AskedView]]
) -> tuple[Float64Array, NDArray[np.int64]]:
    """Logits and codes of all asked windows."""
    trunk.eval()
    device = trunk.centre.device
    logits, codes = [], []
    with torch.inference_mode():
        for asked in (asked for views in animals for asked in views):
            units = np.arange(asked.counts.shape[2])
            bases = _bases(asked, np.arange(0, len(asked.codes), 2), units).to(device)
            features = torch.from_numpy(asked.view.features).to(device)
            logits.append(trunk(features, bases).cpu().double().numpy())
            codes.append(asked.codes[::2])
    return np.concatenate(logits), np.concatenate(codes)


def classifier(shared: nn.Module, temperature: float, view: UnlabelledView) -> UnitSetClassifier:
    """The shared network with an animal's units in it."""
    module = UnitSetClassifier(shared, view.features, view.centre, view.scale, temperature)
    return module.eval()
