"""Kinds of units that animals share, and a new animal's units taken for one or another.

One geometry for all units (``offline.geometry``) averages over units that see
quite different things: some tell orientations, some spatial frequencies, most
nothing. Here the units of several animals are sorted into kinds, each with a
covariance over classes of its own: a mixture of Gaussian processes fitted by
expectation-maximisation (Dempster, Laird, Rubin 1977), in which every unit also
has its own size (``offline.class_prior``). A covariance is drawn to the mean of
all kinds as far as few units tell it (inverse Wishart prior). How many units of an
area are of a kind and a size is what a new animal's units are first taken for;
a few trials then say more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.cluster import KMeans

from offline.animals import Animal
from offline.class_prior import SIZES, Prior, Process, of_average
from offline.models.calibration import Float64Array
from offline.models.linear import class_means
from offline.whitening import overdispersion, whitening, whole

KINDS = 6
ROUNDS = 15
# Units that the mean of all kinds counts for in each kind's covariance, by class.
PRIOR_UNITS = 4.0
INDEPENDENT = 0.2  # of that mean
# Units that all areas together count for in what is expected of one.
AREA_UNITS = 50.0
LEAST_WEIGHT = 1e-5


@dataclass(frozen=True, eq=False)
class Tunings:
    """What the trials of one donor say of its units.

    Attributes
    ----------
    means : (classes, units)
        Averages over trials, centred, in units of noise.
    noise : float
        Variance of an average.
    overdispersion : float
    areas : (units,) str
    """

    means: Float64Array
    noise: float
    overdispersion: float
    areas: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class UnitKinds:
    """Kinds of units.

    Attributes
    ----------
    covariances : (kinds, classes, classes)
        The mean of each diagonal is 1.
    weights : (areas + 1, kinds, sizes)
        Share of an area's units that is of a kind and a size; the last row is for
        areas that no donor had.
    areas : tuple of str
    overdispersion : float
        Of the donors' counts, as in `whitening`.
    """

    covariances: Float64Array
    weights: Float64Array
    areas: tuple[str, ...]
    overdispersion: float

    def expected(self, areas: NDArray[np.str_]) -> Float64Array:
        """What units (n,) are first taken for, (n, kinds, sizes)."""
        place = {area: row for row, area in enumerate(self.areas)}
        rows = [place.get(str(area), len(self.areas)) for area in areas]
        found: Float64Array = self.weights[rows]
        return found


def tunings_of(animal: Animal) -> Tunings:
    """A donor's tunings from its trials."""
    codes, n_classes = animal.codes, len(animal.classes)
    x = whole(animal.counts)
    z = whitening(animal.counts, codes, n_classes, animal.grey).apply(x)
    means = class_means(z, codes, n_classes)
    number = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    noise = float(((z - means[codes]) ** 2).mean()) * of_average(number, (1.0,))[0]
    return Tunings(
        means - means.mean(axis=0), noise, overdispersion(x, codes, n_classes), animal.areas
    )


def learn_kinds(donors: Sequence[Tunings], kinds: int = KINDS, seed: int = 0) -> UnitKinds:
    """Sort the units of several animals, with the same classes, into kinds."""
    means = np.concatenate([donor.means for donor in donors], axis=1)
    areas = np.concatenate([donor.areas for donor in donors])
    noise = float(np.mean([donor.noise for donor in donors]))
    covariances = _begin(means, noise, kinds, seed)
    common = np.full((len(covariances), len(SIZES)), 1 / (len(covariances) * len(SIZES)))
    for _ in range(ROUNDS):
        processes = [Process.of(covariance) for covariance in covariances]
        taken, _ = _taken_for(means, noise, processes, common)
        common = np.maximum(taken.mean(axis=0), LEAST_WEIGHT)
        common /= common.sum()
        seen = [
            _seen(process, means, noise, taken[:, kind]) for kind, process in enumerate(processes)
        ]
        covariances = _drawn_to_their_mean(np.array(seen), taken.sum(axis=(0, 2)))
    names, weights = _by_area(taken, areas, common)
    spread = float(np.mean([donor.overdispersion for donor in donors]))
    return UnitKinds(covariances, weights, names, spread)


def _begin(means: Float64Array, noise: float, kinds: int, seed: int) -> Float64Array:
    """Covariances (kinds, classes, classes) of clusters of the units that are tuned at all."""
    energy = (means**2).sum(axis=0)
    tuned = energy > 2 * noise * len(means)
    # Too few to sort: all stand for one kind.
    if tuned.sum() < 2 * kinds:
        tuned, kinds = energy > 0, 1
    shapes = (means[:, tuned] / np.sqrt(energy[tuned])).T
    cluster = KMeans(kinds, n_init=4, random_state=seed).fit_predict(shapes)
    seen = [shapes[cluster == kind].T @ shapes[cluster == kind] for kind in range(kinds)]
    number = np.bincount(cluster, minlength=kinds).astype(np.float64)
    return _drawn_to_their_mean(np.array(seen), number)


def _drawn_to_their_mean(seen: Float64Array, units: NDArray[np.float64]) -> Float64Array:
    """Sums over so many units (kinds,) as covariances, the fewer the more like their mean."""
    classes = seen.shape[1]
    middle = (1 - INDEPENDENT) * _scaled(seen.sum(axis=0)) + INDEPENDENT * np.eye(classes)
    prior = PRIOR_UNITS * classes
    found: Float64Array = np.array(
        [
            _scaled((number * _scaled(one) + prior * middle) / (number + prior))
            for one, number in zip(seen, units, strict=True)
        ]
    )
    return found


def _scaled(covariance: Float64Array) -> Float64Array:
    """With a diagonal of mean 1."""
    return covariance * (len(covariance) / max(float(np.trace(covariance)), 1e-12))


def _taken_for(
    means: Float64Array, noise: float, processes: Sequence[Process], expected: Float64Array
) -> tuple[Float64Array, float]:
    """Probability of each kind and size, (units, kinds, sizes), and the log likelihood.

    Parameters
    ----------
    means : (classes, units)
    noise : float
        Variance of an average.
    processes : sequence of Process
    expected : (kinds, sizes) or (units, kinds, sizes)
    """
    logs = np.stack([process.likelihoods(means, noise) for process in processes], axis=1)
    joint = logs + np.log(expected)
    likelihoods = logsumexp(joint, axis=(1, 2), keepdims=True)
    taken: Float64Array = np.exp(joint - likelihoods)
    return taken, float(likelihoods.sum())


def _seen(process: Process, means: Float64Array, noise: float, taken: Float64Array) -> Float64Array:
    """Second moment of the processes at size 1, summed over units, (classes, classes).

    Parameters
    ----------
    taken : (units, sizes)
        How far each unit counts, at each size.
    """
    turned = process.vectors.T @ means
    found = np.zeros((len(turned), len(turned)))
    for size, weights in zip(SIZES, taken.T, strict=True):
        gain = size * process.values / (size * process.values + noise)
        found += gain[:, None] * ((turned * weights) @ turned.T) * gain / size
        found += np.diag(noise * gain * weights.sum() / size)
    moment: Float64Array = process.vectors @ found @ process.vectors.T
    return moment


def _by_area(
    taken: Float64Array, areas: NDArray[np.str_], common: Float64Array
) -> tuple[tuple[str, ...], Float64Array]:
    """Areas by name, and the share of kinds and sizes in each; last, in all."""
    names = np.unique(areas)
    rows = [
        (taken[areas == name].sum(axis=0) + AREA_UNITS * common)
        / ((areas == name).sum() + AREA_UNITS)
        for name in names
    ]
    return tuple(map(str, names)), np.array([*rows, common])


def kinds_prior(
    means: Float64Array,
    number: NDArray[np.int64],
    areas: NDArray[np.str_],
    kinds: UnitKinds,
) -> Prior:
    """Posterior of class means under kinds of units, in units of noise.

    Parameters
    ----------
    means : (classes, units)
        Averages over trials, centred.
    number : (classes,) int64
        Trials of each class; their harmonic mean stands for all.
    areas : (units,) str
    kinds : UnitKinds
    """
    processes = [Process.of(covariance) for covariance in kinds.covariances]
    expected = kinds.expected(areas)
    tried = [
        (*_taken_for(means, noise, processes, expected), noise) for noise in of_average(number)
    ]
    taken, _, noise = max(tried, key=lambda one: one[1])
    parts = [
        process.posterior(means, noise, taken[:, kind]) for kind, process in enumerate(processes)
    ]
    mean, variance = np.sum(parts, axis=0)
    return Prior(mean, variance, 1.0)
