"""Counts to which something is done one by one, and the first layer that takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo
from rtdecode.kernels.sums import FirstLayer

MOST = 1024  # spikes of a unit in a bin or window, beyond which the module itself is asked
TOGETHER = 32  # counts whose measure is looked at in one go
ALIKE = 1e-9


class UnfitError(Exception):
    """The model is none for the event backend; says what of it is not."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts, and what is done to each by itself.

    Attributes
    ----------
    of : callable
        Counts (n, bins, units) float64 to values (n, ...).
    places : (1, ...) int64
        Which count each value is made of: ``bin * units + unit``, or the unit.
    whole : bool
        Counts of the whole window, not of its bins.
    untouched : bool
        Nothing has been done to them but that.
    """

    of: Callable[[torch.Tensor], torch.Tensor]
    places: torch.Tensor
    whole: bool = False
    untouched: bool = False


def double(value: Any) -> Any:
    """Constants of the file as float64, places as they are."""
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.detach().double() if floating else value


def one_by_one(function: Callable[..., torch.Tensor], inputs: list[Any]) -> Counts | None:
    """Every count by itself, with constants or with something else made of the same count."""
    counts = [value for value in inputs if isinstance(value, Counts)]
    one = counts[0]
    if any(not torch.equal(one.places, other.places) for other in counts):
        return None
    others = [double(value) for value in inputs]

    def of(given: torch.Tensor) -> torch.Tensor:
        return function(*(v.of(given) if isinstance(v, Counts) else v for v in others))

    return Counts(of, one.places, one.whole)


def in_another_shape(
    function: Callable[..., torch.Tensor], counts: Counts, others: list[Any]
) -> Counts:
    """The same counts, placed in another way."""
    return Counts(
        lambda given: function(counts.of(given), *others),
        function(counts.places, *others),
        counts.whole,
    )


def of_whole_window(counts: Counts, keeps_bins: bool, info: BundleInfo) -> Counts:
    """Counts of all bins together."""
    units = len(info.unit_ids)
    places = torch.arange(units).reshape((1, 1, units) if keeps_bins else (1, units))
    return Counts(lambda given: counts.of(given).sum(1, keeps_bins), places, whole=True)


def first_layer(
    counts: Counts, weight: NDArray[np.float64], bias: NDArray[np.float64], info: BundleInfo
) -> FirstLayer:
    """A layer on what is made of counts, as one on the measure that all counts share.

    Parameters
    ----------
    counts : Counts
    weight : (values, width) float64
    bias : (width,) float64
    info : BundleInfo

    Raises
    ------
    UnfitError
        If counts of different units are bent in different ways.
    """
    bins, units = info.shape
    at_silence, factor, bent = measure(counts, info)
    places = counts.places.numpy().ravel()
    if counts.places.ndim != 2 or len(places) != len(weight):
        raise UnfitError("its first layer does not take the counts in one row")
    rows = np.zeros((units if counts.whole else bins * units, len(bias)))
    np.add.at(rows, places, weight * factor[:, None])
    straight = bool(np.allclose(bent, np.arange(len(bent)), rtol=0, atol=ALIKE))
    return FirstLayer(
        rows.astype(np.float32),
        1 if counts.whole else bins,
        bias + at_silence @ weight,
        np.zeros(0) if straight else bent,
    )


def measure(
    counts: Counts, info: BundleInfo
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Each value as ``at_silence + factor * bent[count]``.

    Returns
    -------
    at_silence, factor : (values,) float64
    bent : (MOST + 1,) float64
        0 and 1 for counts of 0 and 1.
    """
    parts = []
    at_silence, factor = (_values(counts, info, range(c, c + 1))[0] for c in (0, 1))
    factor = factor - at_silence
    strongest = int(np.argmax(np.abs(factor)))
    if not abs(factor[strongest]) > 0:
        raise UnfitError("a first layer to which the counts make no difference")
    for low in range(0, MOST + 1, TOGETHER):
        raised = _values(counts, info, range(low, min(low + TOGETHER, MOST + 1))) - at_silence
        parts.append(raised[:, strongest] / factor[strongest])
        away = np.abs(raised - np.outer(parts[-1], factor)).max()
        if not away <= ALIKE * (1 + np.abs(raised).max()):
            raise UnfitError("counts that are bent each in another way")
    return at_silence, factor, np.concatenate(parts)


def _values(counts: Counts, info: BundleInfo, each: range) -> NDArray[np.float64]:
    """What is made of windows in which every count is the same, (n, values) float64."""
    given = torch.zeros((len(each), *info.shape), dtype=torch.float64)
    level = torch.tensor(each, dtype=torch.float64)[:, None]
    if counts.whole:
        given[:, 0] = level
    else:
        given[:] = level[:, :, None]
    with torch.inference_mode():
        found: NDArray[np.float64] = counts.of(given).numpy()
    if found.shape[1:] != counts.places.shape[1:]:
        raise UnfitError("counts that are spread out")
    return found.reshape(len(each), -1)
