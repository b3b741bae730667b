"""How a network is trained: early stopping, seeded, resumable, with progress."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import rich.progress
import torch
from numpy.typing import NDArray
from torch import nn

from offline.models.calibration import Float64Array, smoothed_loss
from offline.models.checkpoint import Checkpoint, Progress, fingerprint
from offline.models.data import TrainingData
from offline.models.networks import Network
from rtdecode.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; chosen once, on simulated mice that no report uses."""

    epochs: int = 60
    patience: int = 8
    batch: int = 128
    rate: float = 1e-3
    decay: float = 1e-2
    smoothing: float = 0.1


def check_device(name: str) -> str:
    """A device that torch has here.

    Raises
    ------
    UserError
        If it is neither ``cpu`` nor ``cuda``, or there is no GPU.
    """
    if name not in ("cpu", "cuda"):
        raise UserError(f"expected --device cpu or cuda, found {name!r}: give one of them")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "expected a GPU for --device cuda, found none that torch can use: use --device cpu"
        )
    return name


def raw_logits(net: Network, counts: NDArray[np.uint16]) -> Float64Array:
    """Logits of many windows, (n, classes) float64."""
    net.eval()
    device = net.centre.device
    with torch.inference_mode():
        parts = [
            net.logits(torch.from_numpy(part.astype(np.float32)).to(device)).cpu().numpy()
            for part in np.array_split(counts, max(len(counts) // 512, 1))
        ]
    return np.concatenate(parts).astype(np.float64)


def train_network(
    net: Network,
    data: TrainingData,
    held: TrainingData | None,
    epochs: int,
    recipe: Recipe,
    *,
    seed: int = 0,
    phase: str = "final",
    targets: torch.Tensor | None = None,
) -> int:
    """Train in place; how many epochs were best on ``held``, which stops training early.

    Parameters
    ----------
    net : Network
    data : TrainingData
        Its ``checkpoint`` folder keeps the training while it goes on.
    held : TrainingData or None
    epochs : int
        At most.
    recipe : Recipe
    seed : int
        Tells a checkpoint whose it is; the caller has seeded torch with it.
    phase : str
        Name of the checkpoint's file.
    targets : (n, classes) float32 or None
        Probabilities to learn instead of the classes.
    """
    net.to(data.device)
    x = torch.from_numpy(data.counts.astype(np.float32)).to(data.device)
    y = torch.from_numpy(data.codes) if targets is None else targets
    y = y.to(data.device)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    path = None if data.checkpoint is None else data.checkpoint / f"{phase}.npz"
    checkpoint = Checkpoint(path, fingerprint(net, data, recipe, seed))
    progress, best = checkpoint.load(net, optimiser) or _start(net, held)
    with rich.progress.Progress(transient=True, disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task("training", total=epochs, completed=progress.epoch)
        while progress.epoch < epochs and not progress.ended:
            _epoch(net, x, y, optimiser, recipe)
            progress.epoch += 1
            bars.update(bar, advance=1)
            if held is not None:
                right = _look(net, held, progress, best)
                bars.update(bar, description=f"training, {right:.1%} right")
                progress.ended = progress.epoch - progress.best_epoch >= recipe.patience
            progress.ended |= progress.epoch == epochs
            checkpoint.save(net, optimiser, best, progress)
    if held is not None:
        net.load_state_dict(best)
        return progress.best_epoch
    return progress.epoch


def _start(net: Network, held: TrainingData | None) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Progress of a training that has not begun."""
    progress, best = Progress(), _copy(net)
    if held is not None:
        _look(net, held, progress, best)
    return progress, best


def _copy(net: Network) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def _look(
    net: Network, held: TrainingData, progress: Progress, best: dict[str, torch.Tensor]
) -> float:
    """Accuracy on the held-out group; keeps the weights if they are the best so far."""
    logits = raw_logits(net, held.counts)
    loss = smoothed_loss(logits, held.codes)
    if loss < progress.best_loss:
        progress.best_loss, progress.best_epoch = loss, progress.epoch
        best.update(_copy(net))
    return float((logits.argmax(axis=1) == held.codes).mean())


def _epoch(
    net: Network,
    x: torch.Tensor,
    y: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
) -> None:
    """Once through the trials in a new order."""
    net.train()
    smoothing = recipe.smoothing if y.dim() == 1 else 0.0
    for rows in torch.randperm(len(y)).chunk(max(len(y) // recipe.batch, 1)):
        rows_there = rows.to(y.device)
        loss = nn.functional.cross_entropy(
            net.logits(x[rows_there]), y[rows_there], label_smoothing=smoothing
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
