"""How alike two populations arrange the same stimuli: the measures of Jana 2026.

The protocol is that of "Mouse V1 passes through a transient low-dimensional
state ..." (Z. Jana 2026, github.com/Jana-HQ/cross-mouse-v1-rsa): mean counts of
each unit for each item, z-scored over items; cosine similarity of every two
items; for each item the Spearman correlation of its similarities to all others
in one mouse with those in another; the mean over items and pairs of mice.
Reliability within a mouse is the same between two random halves of the trials,
corrected by Spearman and Brown to the full number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SPLITS = 20


def mean_responses(counts: NDArray[np.number[Any]], labels: IntArray, items: int) -> FloatArray:
    """Mean counts of each item.

    Parameters
    ----------
    counts : (trials, ...) array
    labels : (trials,) int64
        Item of each trial, 0 up to ``items``.
    items : int

    Returns
    -------
    (items, ...) float64
    """
    sums = np.zeros((items, *counts.shape[1:]))
    np.add.at(sums, labels, counts)
    trials = np.bincount(labels, minlength=items)
    return sums / trials.reshape(-1, *[1] * (counts.ndim - 1))


def similarity_ranks(responses: FloatArray) -> FloatArray:
    """Rank of each item's similarity to every other item, of zero mean and unit length.

    Parameters
    ----------
    responses : (items, units) float64

    Returns
    -------
    (items, items - 1) float64
        The product of two mice's rows, summed, is their Spearman correlation.
    """
    scored = (responses - responses.mean(0)) / (responses.std(0) + 1e-8)
    unit = scored / (np.linalg.norm(scored, axis=1, keepdims=True) + 1e-8)
    items = len(responses)
    others = (unit @ unit.T)[~np.eye(items, dtype=bool)].reshape(items, items - 1)
    ranks = rankdata(others, axis=1) - items / 2
    return np.asarray(ranks / np.linalg.norm(ranks, axis=1, keepdims=True))


def consistency(mice: Sequence[FloatArray]) -> float:
    """Mean Spearman correlation over items and pairs of mice; see ``similarity_ranks``."""
    pairs = [float((one * other).sum(1).mean()) for one, other in combinations(mice, 2)]
    return float(np.mean(pairs))


def reliability(
    counts: NDArray[np.number[Any]], labels: IntArray, items: int, seed: int = 0
) -> float:
    """Split-half reliability of one mouse's geometry, Spearman-Brown corrected.

    Parameters
    ----------
    counts : (trials, units) array
    labels : (trials,) int64
    items : int
    seed : int
        Of the random halves, of which there are ``SPLITS``.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SPLITS):
        first = _random_half(labels, rng)
        halves = [
            similarity_ranks(mean_responses(counts[part], labels[part], items))
            for part in (first, ~first)
        ]
        found.append(consistency(halves))
    mean = float(np.mean(found))
    return 2 * mean / (1 + mean)


def _random_half(labels: IntArray, rng: np.random.Generator) -> NDArray[np.bool_]:
    # Half of each item's trials: rank within the item after shuffling.
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    sorted_labels = labels[order]
    starts = np.searchsorted(sorted_labels, sorted_labels)
    half = np.empty(len(labels), bool)
    half[order] = (np.arange(len(labels)) - starts) % 2 == 0
    return half
