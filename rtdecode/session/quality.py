"""Which units are kept: Allen's default quality filter, with switches.

Source: AllenSDK 2.16, ``Probes.get_units_table`` and ``UNIT_FILTER_DEFAULTS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtdecode.errors import UserError
from rtdecode.session.columns import FloatArray, StrArray
from rtdecode.session.model import BoolArray, Units

# Metrics that hold what Allen's tables hold as text and flags, as 1, 0 or NaN.
GOOD = "good"
VALID = "valid_data"
PEAK_CHANNEL = "peak_channel_id"


@dataclass(frozen=True)
class QualityFilter:
    """Bounds that a unit must keep to; ``None`` or ``False`` switches one off.

    A bound is applied where the session has that metric. A unit whose value is
    NaN fails, as it does in AllenSDK; a metric that is NaN for every unit of a
    probe is taken as absent there: one probe is curated, another not yet.

    Attributes
    ----------
    amplitude_cutoff : float or None
        Largest share of spikes missed for being small.
    presence_ratio : float or None
        Smallest share of the session in which the unit fired.
    isi_violations : float or None
        Largest contamination, from spikes in the refractory time.
    valid : bool
        Keep only units called ``good`` on channels called valid.
    in_brain : bool
        Keep only units with an area, where Allen's peak channels tell it.
    """

    amplitude_cutoff: float | None = 0.1
    presence_ratio: float | None = 0.95
    isi_violations: float | None = 0.5
    valid: bool = True
    in_brain: bool = True

    @classmethod
    def off(cls) -> QualityFilter:
        """Return a filter that keeps every unit."""
        return cls(None, None, None, valid=False, in_brain=False)

    def __str__(self) -> str:
        parts = [
            f"{name} {sign} {bound:g}"
            for name, sign, bound in (
                ("amplitude_cutoff", "<=", self.amplitude_cutoff),
                ("presence_ratio", ">=", self.presence_ratio),
                ("isi_violations", "<=", self.isi_violations),
            )
            if bound is not None
        ]
        parts += ["good unit on a valid channel"] * self.valid + ["in the brain"] * self.in_brain
        return ", ".join(parts) or "off"

    def keeps(self, units: Units) -> BoolArray:
        """Tell which units pass, (units,) bool."""
        kept = np.ones(len(units), np.bool_)
        bounds = (
            ("amplitude_cutoff", self.amplitude_cutoff, np.less_equal),
            ("presence_ratio", self.presence_ratio, np.greater_equal),
            ("isi_violations", self.isi_violations, np.less_equal),
            (GOOD, 1.0 if self.valid else None, np.equal),
            (VALID, 1.0 if self.valid else None, np.equal),
        )
        for name, bound, passes in bounds:
            values = units.metrics.get(name)
            if bound is not None and values is not None:
                kept &= passes(values, bound) | ~_is_told(values, units.probes)
        if self.in_brain and PEAK_CHANNEL in units.metrics:
            kept &= units.areas != ""
        return kept


def _is_told(values: FloatArray, probes: StrArray) -> BoolArray:
    """Whether a metric is there for any unit of a unit's probe, (units,) bool.

    A unit of no known probe may be of any.
    """
    told = probes[~np.isnan(values)]
    there: BoolArray = np.isin(probes, told) | ((probes == "") & (len(told) > 0))
    return there


def keep_units(units: Units, quality: QualityFilter, areas: Sequence[str] = ()) -> BoolArray:
    """Tell which units pass the filter and lie in these areas (any, if none is named).

    Returns
    -------
    (units,) bool

    Raises
    ------
    UserError
        If no unit is left.
    """
    kept = quality.keeps(units)
    if not kept.any():
        raise UserError(
            f"none of the {len(units)} units passes the quality filter "
            f"({quality}): widen it or switch it off"
        )
    if not areas:
        return kept
    inside = kept & np.isin(units.areas, list(areas))
    if not inside.any():
        found = ", ".join(area for area in np.unique(units.areas[kept]) if area) or "no areas"
        raise UserError(
            f"expected units in {', '.join(areas)}; the session has {found}: name one of these"
        )
    return inside
