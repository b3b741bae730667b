"""A network's training on disk, so that a stopped one goes on where it was.

Plain arrays in an ``.npz``: weights, the optimiser's moments, the random state
and the best epoch so far. What goes on is bit for bit what would have been (on
a CPU).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from offline.models.data import TrainingData
from rtdecode.errors import UserError
from rtdecode.files import written_whole

SAVE_EVERY_S = 2.0


def fingerprint(net: nn.Module, data: TrainingData, recipe: object, seed: int) -> str:
    """What a checkpoint must share with a training to belong to it."""
    found = hashlib.sha256(np.ascontiguousarray(data.counts).tobytes())
    found.update(data.codes.tobytes())
    shapes = [(name, tuple(value.shape)) for name, value in net.state_dict().items()]
    found.update(repr((shapes, recipe, seed)).encode())
    return found.hexdigest()


@dataclass
class Progress:
    """Where a training is: epochs done, the best one and its loss, whether it has ended."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    ended: bool = False


@dataclass
class Checkpoint:
    """One training's file.

    Attributes
    ----------
    path : Path or None
        Nothing is kept where it is None.
    key : str
        `fingerprint`.
    """

    path: Path | None
    key: str
    _saved: float = field(default_factory=time.monotonic)

    def load(
        self, net: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[Progress, dict[str, torch.Tensor]] | None:
        """Put a training back as it was; its progress and best weights, None if there is none.

        Raises
        ------
        UserError
            If the file is of another training.
        """
        if self.path is None or not self.path.exists():
            return None
        with np.load(self.path) as file:
            arrays = {name: file[name] for name in file.files}
        if str(arrays["key"]) != self.key:
            raise UserError(
                f"{self.path} was expected to hold this training, found one of other data or "
                "settings: give the same ones as before, or begin anew with --force"
            )
        net.load_state_dict(_state(arrays, "net/"))
        _restore(optimiser, arrays)
        _set_random_state(arrays)
        epoch, best_epoch, ended = (int(v) for v in arrays["progress"])
        progress = Progress(epoch, best_epoch, float(arrays["best_loss"]), bool(ended))
        return progress, _state(arrays, "best/")

    def save(
        self,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        best: dict[str, torch.Tensor],
        progress: Progress,
    ) -> None:
        """Write all, if it is the end or some seconds have gone by."""
        due = time.monotonic() - self._saved >= SAVE_EVERY_S
        if self.path is None or not (due or progress.ended):
            return
        self._saved = time.monotonic()
        self.path.parent.mkdir(exist_ok=True)
        arrays = {
            **{f"net/{name}": value.cpu().numpy() for name, value in net.state_dict().items()},
            **{f"best/{name}": value.cpu().numpy() for name, value in best.items()},
            **_moments(optimiser),
            "random": torch.get_rng_state().numpy(),
            "progress": np.array([progress.epoch, progress.best_epoch, progress.ended]),
            "best_loss": np.array(progress.best_loss),
            "key": np.array(self.key),
        }
        if torch.cuda.is_available():
            arrays["random_cuda"] = torch.cuda.get_rng_state().numpy()
        with written_whole(self.path) as half, half.open("wb") as file:
            np.savez(file, **arrays)


def _state(arrays: dict[str, np.ndarray[Any, Any]], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, np.ndarray[Any, Any]]:
    """The optimiser's state of each parameter."""
    return {
        f"moment/{number}/{name}": value.cpu().numpy()
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def _restore(optimiser: torch.optim.Optimizer, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    whole = optimiser.state_dict()
    whole["state"] = {}
    for key, value in arrays.items():
        if key.startswith("moment/"):
            _, number, name = key.split("/")
            whole["state"].setdefault(int(number), {})[name] = torch.from_numpy(value)
    optimiser.load_state_dict(whole)


def _set_random_state(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    torch.set_rng_state(torch.from_numpy(arrays["random"]))
    if "random_cuda" in arrays and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random_cuda"]))
