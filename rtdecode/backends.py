"""What computes probabilities: TorchScript, onnxruntime, or a linear map spike by spike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo
from rtdecode.decision import Window
from rtdecode.decoder import Decoder
from rtdecode.engine import Engine
from rtdecode.errors import UserError
from rtdecode.kernels.sums import Sums, close_sum, free_sum, make_sums, open_sum, sum_counts
from rtdecode.onnx_decoder import OnnxDecoder

TORCHSCRIPT, ONNX, EVENT = BACKENDS = ("torchscript", "onnx", "event")
SLOTS = 64  # windows open at once that are summed; any more are taken from their counts
LINEAR = ["aten::flatten", "aten::matmul", "aten::add", "aten::softmax"]


def load_decoder(path: str | Path, backend: str = TORCHSCRIPT) -> Decoder:
    """Read a bundle for one backend.

    Raises
    ------
    UserError
        If the bundle is none, the backend unknown, or the model not one for it.
    """
    if backend == TORCHSCRIPT:
        return Decoder.load(path)
    if backend == EVENT:
        return EventDecoder.load(path)
    if backend == ONNX:
        return OnnxDecoder.load(path)
    raise UserError(f"a backend is {TORCHSCRIPT}, {ONNX} or {EVENT}; found {backend!r}")


def no_sums() -> Sums:
    """Sums without a slot, for a backend that waits for the counts."""
    return make_sums(np.zeros((1, 0), np.float32), np.zeros(0, np.float32), 1, 1, 0)


def follow(decoder: Decoder, engine: Engine) -> Sums:
    """Let a decoder follow an engine's spikes, if its backend does; what the pump adds them to."""
    if not isinstance(decoder, EventDecoder):
        return no_sums()
    decoder.follow(engine)
    return decoder.sums


class EventDecoder(Decoder):
    """A linear bundle whose windows are summed spike by spike as they come.

    Raises
    ------
    UserError
        If the model is more than a softmax of a linear map of the counts.
    """

    def __init__(self, module: torch.nn.Module, info: BundleInfo, sha256: str = "") -> None:
        super().__init__(module, info, sha256)
        weight, bias = linear_map(module, info)
        self.sums = make_sums(weight, bias, info.window.bin_us, len(info.unit_ids), SLOTS)
        self._slots: dict[int, int] = {}
        self._engine: Engine | None = None

    def follow(self, engine: Engine) -> None:
        """Take sums from this engine's ring from here on."""
        for slot in self._slots.values():
            free_sum(self.sums, slot)
        self._slots.clear()
        self._engine = engine
        engine.follower = self

    def open(self, window: Window) -> None:
        """A window of the engine has opened."""
        assert self._engine is not None
        slot = open_sum(self._engine.intake.ring, self.sums, window.start_us)
        if slot >= 0:
            self._slots[window.number] = slot

    def drop(self, window: Window) -> None:
        """A window of the engine will not be decided."""
        slot = self._slots.pop(window.number, -1)
        if slot >= 0:
            free_sum(self.sums, slot)

    def predict(self, counts: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Probabilities (classes,) float32: the open sums' where there are any, else the counts'.

        Without an engine to follow, counts (bins, units) uint16 are all there is.
        """
        out = np.empty(len(self.info.classes), np.float32)
        engine = self._engine
        deciding = engine.deciding if engine is not None else None
        slot = self._slots.pop(deciding.number, -1) if deciding is not None else -1
        if engine is None or slot < 0:
            sum_counts(counts, self.sums, out)
        else:
            close_sum(engine.intake.ring, self.sums, slot, out)
        return out


def linear_map(
    module: torch.nn.Module, info: BundleInfo
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight (bins * units, classes) and bias (classes,) of a frozen linear module.

    Raises
    ------
    UserError
        If the module's graph is another than flatten, matmul, add, softmax.
    """
    graph: Any = _graph(module)
    steps = [node for node in graph.nodes() if node.kind() != "prim::Constant"]
    tensors = {
        node.output().debugName(): node.output().toIValue()
        for node in graph.nodes()
        if node.kind() == "prim::Constant" and node.output().type().kind() == "TensorType"
    }
    if [node.kind() for node in steps] != LINEAR or len(tensors) != 2:
        raise UserError(
            f"the {EVENT} backend expects a linear model (lda, poisson, logistic), found "
            f"{info.model!r}: decode it with --backend {TORCHSCRIPT}"
        )
    weight, bias = (_constant(node, tensors) for node in steps[1:3])
    return weight.numpy().copy(), bias.numpy().copy()


def _graph(module: torch.nn.Module) -> Any:
    """The graph of a script module; an error of ours for any other module."""
    graph = getattr(module, "graph", None)
    if graph is None:
        raise UserError(f"the {EVENT} backend expects a bundle's module, found one of Python")
    return graph


def _constant(node: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The tensor among a node's inputs that the file holds."""
    names = [value.debugName() for value in node.inputs()]
    return next(tensors[name] for name in names if name in tensors)
