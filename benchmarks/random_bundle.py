"""A decoder with random weights: as much work as a trained one, of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.models.linear import LinearClassifier
from rtdecode.bundle import BundleInfo, save_bundle
from rtdecode.tasks import LabelRule, TableRule
from rtdecode.windows import WindowSpec

UNITS, CLASSES, WINDOW = 700, 119, "0:250:25"


def write_random_bundle(
    path: Path, units: int = UNITS, classes: int = CLASSES, window: str = WINDOW
) -> BundleInfo:
    """Write a linear bundle, as LDA gives it, whose units are ``0 .. units - 1``."""
    spec = WindowSpec.parse(window)
    info = BundleInfo(
        model="lda",
        task="bench.class",
        label_rule=LabelRule(task="bench.class", tables={"bench": TableRule(columns=("class",))}),
        classes=tuple(str(i) for i in range(classes)),
        unit_ids=tuple(range(units)),
        unit_areas=("VISp",) * units,
        window=spec,
        metrics={"calibration_error": 0.0},  # without one no trigger fires
    )
    weight, bias = random_map(units, classes, spec)
    save_bundle(LinearClassifier(weight, bias), info, path)
    return info


def random_map(
    units: int, classes: int, spec: WindowSpec
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (classes, bins * units) and bias (classes,) of that bundle."""
    rng = np.random.default_rng(1)
    weight = rng.normal(0.0, 0.05, (classes, spec.n_bins * units))
    return weight, rng.normal(0.0, 1.0, classes)
