"""A bundle's module taken apart: first layers of the counts, and the small rest.

The module's graph is walked once. A value on the way is a constant, counts to
which something is done one by one (``Counts``), or a short vector that a layer
has made of them (``Vector``). What is none of these is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtdecode.bundle import BundleInfo
from rtdecode.errors import UserError
from rtdecode.event_counts import (
    Counts,
    UnfitError,
    double,
    first_layer,
    in_another_shape,
    of_whole_window,
    one_by_one,
)
from rtdecode.kernels import rest
from rtdecode.kernels.rest import Rest
from rtdecode.kernels.sums import FirstLayer

# By kind and number of inputs, so that a rounding mode or the like is not passed over.
ONE_BY_ONE: dict[tuple[str, int], Callable[..., torch.Tensor]] = {
    ("aten::add", 3): lambda x, y, times: x + times * y,
    ("aten::sub", 3): lambda x, y, times: x - times * y,
    ("aten::mul", 2): lambda x, y: x * y,
    ("aten::div", 2): lambda x, y: x / y,
    ("aten::sqrt", 1): torch.sqrt,
    ("aten::log1p", 1): torch.log1p,
    ("aten::clamp", 3): torch.clamp,
    ("aten::relu", 1): torch.relu,
}
IN_ANOTHER_SHAPE: dict[tuple[str, int], Callable[..., torch.Tensor]] = {
    ("aten::flatten", 3): torch.flatten,
    ("aten::unsqueeze", 2): torch.unsqueeze,
    ("aten::squeeze", 2): torch.squeeze,
    ("aten::index_select", 3): torch.index_select,
}
SHIFTS = ("aten::add", "aten::sub", "aten::mul", "aten::div")
SPREADS = ("aten::std", "aten::pow")
BENDS = {
    "aten::relu": rest.RELU,
    "aten::tanh": rest.TANH,
    "aten::sigmoid": rest.SIGMOID,
    "aten::log": rest.LOG,
}


@dataclass(eq=False)
class Vector:
    """A vector (width,) and where it stands among all values, once that is known."""

    width: int
    first: int = -1


@dataclass(frozen=True, eq=False)
class Spread:
    """How far the values of a vector lie apart, to a power."""

    of: Vector
    power: float = 1.0


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the rest; see ``rtdecode.kernels.rest``."""

    step: int
    source: Vector
    target: Vector
    constants: NDArray[np.float64]
    weight: NDArray[np.float32]
    other: Vector | None = None


NO_CONSTANTS = np.zeros(0)
NO_WEIGHT = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Split:
    """A module taken apart."""

    layers: list[FirstLayer]
    rest: Rest


def split(module: torch.nn.Module, info: BundleInfo) -> Split:
    """First layers and rest of a bundle's module.

    Raises
    ------
    UserError
        If there is no first layer that is linear in the counts or in one
        measure of each, or the rest has a step that is not known here.
    """
    try:
        return _Walk(info).through(module)
    except UnfitError as unfit:
        raise UserError(
            "the event backend expects a model whose first layer is linear in the counts, or in "
            f"one measure of each, found {info.model!r} ({unfit}): decode it with --backend "
            "torchscript"
        ) from unfit


class _Walk:
    """Goes through a graph node by node."""

    def __init__(self, info: BundleInfo) -> None:
        self._info = info
        self._layers: list[FirstLayer] = []
        self._sums: list[Vector] = []
        self._steps: list[Step] = []

    def through(self, module: torch.nn.Module) -> Split:
        graph: Any = getattr(module, "inlined_graph", None)
        if graph is None:
            raise UnfitError("a module of Python")
        bins, units = self._info.shape
        places = torch.arange(bins * units).reshape(1, bins, units)
        itself, counts = (value.debugName() for value in graph.inputs())
        known: dict[str, Any] = {itself: module}
        known[counts] = Counts(lambda given: given, places, untouched=True)
        for node in graph.nodes():
            inputs = [known[value.debugName()] for value in node.inputs()]
            known[node.output().debugName()] = self._value(node, inputs)
        (answer,) = (known[value.debugName()] for value in graph.outputs())
        if not isinstance(answer, Vector) or not self._steps or answer is not self._last:
            raise UnfitError("no layer gives its probabilities")
        return Split(self._layers, self._laid_out())

    @property
    def _last(self) -> Vector:
        return self._steps[-1].target

    def _value(self, node: Any, inputs: list[Any]) -> Any:
        """What a node gives."""
        kind = node.kind()
        if kind == "prim::Constant":
            return node.output().toIValue()
        if kind == "prim::GetAttr":
            return getattr(inputs[0], node.s("name"))
        if kind == "prim::ListConstruct":
            return inputs
        if kind == "aten::dropout" and not inputs[2]:
            return inputs[0]
        found: Counts | Vector | Spread | None = None
        if any(isinstance(value, Vector | Spread) for value in inputs):
            found = self._further(kind, inputs)
        elif any(isinstance(value, Counts) for value in inputs):
            found = self._first(kind, inputs)
        if found is None:
            raise UnfitError(f"its {kind.removeprefix('aten::')}")
        return found

    def _first(self, kind: str, inputs: list[Any]) -> Counts | Vector | None:
        """What is done to counts."""
        counts, key = inputs[0], (kind, len(inputs))
        if key in ONE_BY_ONE:
            return one_by_one(ONE_BY_ONE[key], inputs)
        if not isinstance(counts, Counts):
            return None
        if key in IN_ANOTHER_SHAPE:
            return in_another_shape(IN_ANOTHER_SHAPE[key], counts, inputs[1:])
        if kind == "aten::sum" and counts.untouched and inputs[1] == [1]:
            return of_whole_window(counts, bool(inputs[2]), self._info)
        layer = _weights_of(kind, inputs)
        return None if layer is None else self._first_layer(counts, *layer)

    def _first_layer(
        self, counts: Counts, weight: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> Vector:
        self._layers.append(first_layer(counts, weight, bias, self._info))
        self._sums.append(Vector(len(bias)))
        return self._sums[-1]

    def _further(self, kind: str, inputs: list[Any]) -> Vector | Spread | None:
        """What is done to a vector that a layer has made."""
        x = inputs[0]
        if kind in SPREADS:
            return _spread(kind, inputs)
        if not isinstance(x, Vector):
            return None
        layer = _weights_of(kind, inputs)
        if layer is not None:
            weight, bias = layer
            return self._step(rest.LINEAR, x, len(bias), bias, weight.astype(np.float32).ravel())
        if kind == "aten::add" and isinstance(inputs[1], Vector):
            return self._sum(x, *inputs[1:])
        if kind in SHIFTS:
            return self._shifted(x, kind, inputs[1:])
        step = _bend(kind, inputs)
        return None if step is None else self._step(step, x, x.width)

    def _sum(self, x: Vector, y: Vector, times: float) -> Vector | None:
        if times != 1 or x.width != y.width:
            return None
        return self._step(rest.ADD, x, x.width, other=y)

    def _spread_out(self, x: Vector, by: Spread) -> Vector | None:
        """A vector times a power of its own spread."""
        if by.of is not x:
            return None
        return self._step(rest.SPREAD, x, x.width, np.array([by.power]))

    def _shifted(self, x: Vector, kind: str, others: list[Any]) -> Vector | None:
        """A factor and a shift, read off what becomes of 0 and 1."""
        if kind == "aten::mul" and isinstance(others[0], Spread):
            return self._spread_out(x, others[0])
        function = ONE_BY_ONE.get((kind, 1 + len(others)))
        strangers = (Vector, Spread, Counts)
        if function is None or any(isinstance(other, strangers) for other in others):
            return None
        low, high = (
            function(torch.full((1, x.width), value, dtype=torch.float64), *map(double, others))
            for value in (0.0, 1.0)
        )
        if low.shape != (1, x.width):
            return None
        constants = torch.cat([high - low, low]).numpy().ravel()
        return self._step(rest.AFFINE, x, x.width, constants)

    def _step(
        self,
        step: int,
        source: Vector,
        width: int,
        constants: NDArray[np.float64] = NO_CONSTANTS,
        weight: NDArray[np.float32] = NO_WEIGHT,
        other: Vector | None = None,
    ) -> Vector:
        self._steps.append(Step(step, source, Vector(width), constants, weight, other))
        return self._last

    def _laid_out(self) -> Rest:
        """The rest as arrays."""
        first = 0
        for vector in [*self._sums, *(step.target for step in self._steps)]:
            vector.first, first = first, first + vector.width
        rows, constants, weights = [], 0, 0
        for step in self._steps:
            source, target = step.source, step.target
            second = weights if step.other is None else step.other.first
            rows.append(
                (
                    step.step,
                    source.first,
                    source.width,
                    target.first,
                    target.width,
                    constants,
                    second,
                )
            )
            constants, weights = constants + len(step.constants), weights + len(step.weight)
        return Rest(
            np.zeros(first),
            np.array(rows, np.int64),
            np.concatenate([step.constants for step in self._steps]),
            np.concatenate([step.weight for step in self._steps]),
        )


def _spread(kind: str, inputs: list[Any]) -> Spread | None:
    """A vector's spread, or that to a power; None where the node is neither."""
    x = inputs[0]
    if kind == "aten::std" and isinstance(x, Vector) and x.width > 1:
        return Spread(x) if inputs[1:] == [[1], True, True] else None
    if kind == "aten::pow" and isinstance(x, Spread) and isinstance(inputs[1], torch.Tensor):
        return Spread(x.of, x.power * float(inputs[1]))
    return None


def _bend(kind: str, inputs: list[Any]) -> int | None:
    """Which step of one vector alone a node is; None for none that is known."""
    if kind == "aten::softmax":
        return rest.SOFTMAX if inputs[1] in (1, -1) else None
    if kind == "aten::gelu":
        return rest.GELU if inputs[1] == "none" else None
    return BENDS.get(kind)


def _weights_of(
    kind: str, inputs: Sequence[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Weight (in, out) and bias (out,) float64 of a layer; None where the node is none."""
    if kind not in ("aten::linear", "aten::matmul") or not isinstance(inputs[1], torch.Tensor):
        return None
    weight = double(inputs[1]).numpy()
    if kind == "aten::matmul":
        return (weight, np.zeros(weight.shape[1])) if weight.ndim == 2 else None
    bias = np.zeros(len(weight)) if inputs[2] is None else double(inputs[2]).numpy()
    return weight.T, bias
