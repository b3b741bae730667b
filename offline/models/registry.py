"""Models by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from offline.models.data import TrainingData
from offline.models.deep import (
    fit_cnn,
    fit_distilled,
    fit_ensemble,
    fit_gru,
    fit_residual,
    fit_shallow,
)
from offline.models.early import fit_early_lda
from offline.models.grey_lda import fit_grey_lda
from offline.models.linear import fit_lda, fit_logistic, fit_poisson
from offline.models.stimulus import fit_stimulus_lda
from offline.models.window_lda import fit_window_lda
from rtdecode.errors import UserError

Fitter = Callable[[TrainingData, int], torch.nn.Module]

MODELS: dict[str, Fitter] = {
    "lda": fit_lda,
    "window-lda": fit_window_lda,
    "grey-lda": fit_grey_lda,
    "poisson": fit_poisson,
    "logistic": fit_logistic,
    "stimulus-lda": fit_stimulus_lda,
    "early-lda": fit_early_lda,
    "shallow": fit_shallow,
    "cnn": fit_cnn,
    "gru": fit_gru,
    "residual": fit_residual,
    "ensemble": fit_ensemble,
    "distilled": fit_distilled,
}

# They show a bar of their own, with how well they do.
NETWORKS = ("shallow", "cnn", "gru", "residual", "ensemble", "distilled")


def fit_model(name: str, data: TrainingData, seed: int = 0) -> torch.nn.Module:
    """Fit a model by name; it takes counts and gives calibrated probabilities.

    Raises
    ------
    UserError
        If there is no such model.
    """
    if name not in MODELS:
        raise UserError(f"a model is one of {', '.join(MODELS)}; found {name!r}")
    if name in NETWORKS:
        return MODELS[name](data, seed).eval()
    trials, bins, units = data.counts.shape
    about = f"fitting {name} to {trials} trials of {bins} bins and {units} units"
    with Console(stderr=True).status(about):
        return MODELS[name](data, seed).eval()


def predict(
    module: torch.nn.Module, counts: NDArray[np.uint16], batch: int = 512
) -> NDArray[np.float32]:
    """Probabilities of many windows in batches, (n, classes) float32."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(counts), batch):
            part = torch.from_numpy(counts[start : start + batch].astype(np.float32))
            parts.append(module(part).numpy())
    found: NDArray[np.float32] = np.concatenate(parts)
    return found
