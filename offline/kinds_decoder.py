"""A new animal's decoder from a few trials, its units taken for kinds that other animals have.

How sure it may be is what the donors showed: each of them is given the same few
trials, and the rest of its trials tell the temperature that suits the logits and
how often they are as good as guessed (``offline.models.calibration``). Logits are
in units of their own spread over the calibration trials, which makes animals alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from offline.animals import Animal, NewAnimal, first_trials
from offline.class_prior import Prior
from offline.few_trials import fit_map
from offline.models.calibration import Doubt, Float64Array, fit_doubt
from offline.models.linear import LinearMap, constant
from offline.unit_kinds import UnitKinds, kinds_prior, learn_kinds, tunings_of
from offline.whitening import whole
from rtdecode.errors import UserError

SHOWN_TRIALS = (1, 2, 5, 10, 20)
LEAST_REST = 100


@dataclass(frozen=True, eq=False)
class Shown:
    """What donors showed of how sure to be.

    Attributes
    ----------
    trials : (n,) float64
        Trials a class.
    log_temperature, lapses : (n,) float64
        Means over donors that were given so many.
    """

    trials: Float64Array
    log_temperature: Float64Array
    lapses: Float64Array

    def at(self, trials: float) -> Doubt:
        """Of a decoder from so many trials a class; between those tried, by their logarithm."""
        place = np.log(trials)
        log_t, lapses = (
            float(np.interp(place, np.log(self.trials), column))
            for column in (self.log_temperature, self.lapses)
        )
        return Doubt(float(np.exp(log_t)), lapses)


class SharedKinds(nn.Module):
    """What passes from animal to animal, as part of a bundle.

    Parameters
    ----------
    kinds : UnitKinds
    shown : Shown
    """

    def __init__(self, kinds: UnitKinds, shown: Shown) -> None:
        super().__init__()
        self.covariances = constant(kinds.covariances)
        self.weights = constant(kinds.weights)
        self.overdispersion = constant(np.array([kinds.overdispersion]))
        self.trials = constant(shown.trials)
        self.log_temperature = constant(shown.log_temperature)
        self.lapses = constant(shown.lapses)
        self.areas: list[str] = list(kinds.areas)


def kinds_of(shared: Any) -> tuple[UnitKinds, Shown]:
    """What a bundle's shared part holds."""

    def array(name: str) -> Float64Array:
        found: Float64Array = getattr(shared, name).detach().double().numpy()
        return found

    kinds = UnitKinds(
        array("covariances"),
        array("weights"),
        tuple(shared.areas),
        float(array("overdispersion")[0]),
    )
    return kinds, Shown(array("trials"), array("log_temperature"), array("lapses"))


def kinds_in(module: nn.Module) -> tuple[UnitKinds, Shown] | None:
    """What a bundle's module passes on; None where it knows no kinds."""
    shared = getattr(module, "shared", None)
    return kinds_of(shared) if hasattr(shared, "covariances") else None


class KindsClassifier(nn.Module):
    """Softmax of a linear map of whole-window counts, but for a share of lapses.

    Parameters
    ----------
    shared : nn.Module
    one : LinearMap
    doubt : Doubt
    """

    def __init__(self, shared: nn.Module, one: LinearMap, doubt: Doubt) -> None:
        super().__init__()
        self.shared = shared
        self.weight = constant(one.weight.T / doubt.temperature)
        self.bias = constant(one.bias / doubt.temperature)
        self.sure = 1.0 - doubt.lapses
        self.guessed = doubt.lapses / len(one.bias)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Counts (n, bins, units) float32 to probabilities (n, classes) float32."""
        logits = counts.sum(dim=1) @ self.weight + self.bias
        return torch.softmax(logits, dim=1) * self.sure + self.guessed


def learn_shared(donors: Sequence[Animal]) -> tuple[UnitKinds, Shown]:
    """Kinds of the donors' units, and how sure decoders under them may be.

    Raises
    ------
    UserError
        If no donor has trials enough to show it.
    """
    kinds = learn_kinds([tunings_of(donor) for donor in donors])
    rows = []
    for trials in SHOWN_TRIALS:
        seen = [one for donor in donors if (one := _shown_by(donor, kinds, trials)) is not None]
        if seen:
            log_t = float(np.mean([np.log(one.temperature) for one in seen]))
            rows.append((trials, log_t, float(np.mean([one.lapses for one in seen]))))
    if not rows:
        raise UserError(
            f"expected an animal with {LEAST_REST} trials beside the first of each class, found "
            "none: use a task with fewer classes, or longer sessions"
        )
    return kinds, Shown(*np.array(rows, np.float64).T)


def _shown_by(donor: Animal, kinds: UnitKinds, trials: int) -> Doubt | None:
    """What suits a donor's later trials after its first so many; None where too few are left."""
    if np.bincount(donor.codes, minlength=len(donor.classes)).min() < trials:
        return None
    rows = first_trials(donor.codes, len(donor.classes), trials)
    rest = np.arange(rows[-1] + 1, len(donor.codes))
    if len(rest) < LEAST_REST:
        return None
    one = _map_of(donor.calibrated_on(rows), kinds)
    return fit_doubt(one.logits(whole(donor.counts[rest])), donor.codes[rest])


def _map_of(new: NewAnimal, kinds: UnitKinds) -> LinearMap:
    """The map under kinds, its logits in units of their spread over the calibration trials."""

    def prior_of(means: Float64Array, number: NDArray[np.int64], is_white: bool) -> Prior:
        return kinds_prior(means, number, new.areas, kinds)

    found = fit_map(
        new.counts, new.codes, new.n_classes, prior_of, new.grey, kinds.overdispersion
    ).map
    spread = float(np.median(found.logits(whole(new.counts)).std(axis=1)))
    return LinearMap(found.weight / max(spread, 1e-9), found.bias / max(spread, 1e-9))


def fit_with_kinds(kinds: UnitKinds, shown: Shown, new: NewAnimal) -> KindsClassifier:
    """A decoder of a new animal from its calibration trials."""
    fewest = int(np.bincount(new.codes, minlength=new.n_classes).min())
    doubt = shown.at(max(fewest, 1))
    return KindsClassifier(SharedKinds(kinds, shown), _map_of(new, kinds), doubt)
